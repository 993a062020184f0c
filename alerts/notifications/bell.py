"""The bell: tells whoever sends notifications that some are due. Must never fail; need not arrive: they look too."""

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

NOTIFY = "alerts.notify"
MESSAGE_SECONDS = 10

_answer: list[Callable[[], None]] = []


def answer_with(work: Callable[[], None]) -> None:
    """In the process that sends: have `work` called instead of a message sent."""
    _answer[:] = [work]


def ring() -> None:
    """Have what is due sent soon."""
    if _answer:
        _answer[0]()
        return
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from rudderproj.celery import ALERTS_QUEUE, app  # here: few who report ever ring

    try:
        app.send_task(NOTIFY, queue=ALERTS_QUEUE, expires=MESSAGE_SECONDS, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        log.info("bell.alerts_not_rung", error=str(error).strip())
