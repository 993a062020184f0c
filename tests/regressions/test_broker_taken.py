"""A message that a worker has is in the worker alone: the broker hears neither that it is taken nor that it is done."""

from redis import Redis

from rudderproj.celery import app


def test_what_a_worker_takes_is_noted_nowhere_in_the_broker(broker: Redis) -> None:
    with app.connection_for_read() as connection, connection.SimpleQueue("taken") as queue:
        queue.put({"ring": 1})
        message = queue.get(timeout=5)
        while_it_works = broker.keys("unacked*"), broker.llen("taken")
        message.ack()

        assert message.payload == {"ring": 1}
        assert while_it_works == ([], 0)
        assert (broker.keys("unacked*"), broker.llen("taken")) == ([], 0)


def test_what_a_worker_gives_back_is_there_for_another(broker: Redis) -> None:
    with app.connection_for_read() as connection, connection.SimpleQueue("taken") as queue:
        queue.put({"ring": 1})
        queue.get(timeout=5).requeue()

        assert broker.llen("taken") == 1
        again = queue.get(timeout=5)
        again.ack()
        assert (again.payload, broker.llen("taken")) == ({"ring": 1}, 0)
