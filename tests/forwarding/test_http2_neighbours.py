"""Destinations at one host that speaks HTTP/2: what becomes of one is nothing to the other."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from destinations import doorbell
from destinations.forward import Forwarder
from drills.certificates import Authority
from tests.forwarding.http2 import HANGS, receiving
from tests.forwarding.workers import eventually, limits
from tests.forwarding.world import World, make_world

HUNG_SECONDS = 4.0
STREAMS = 8


@contextmanager
def one_process(worlds: list[World]) -> Iterator[None]:
    """A process that has sent to each of these already, as long as its shift lasts, which begins with the first."""
    known = threading.Event()

    def work() -> None:
        forwarder = Forwarder(limits(timeout_seconds=HUNG_SECONDS))
        try:
            for world in worlds:
                forwarder.forward(world.destination.pk)
            worlds[0].many(5 * STREAMS, 1, HANGS)
            known.set()
            forwarder.work(worlds[0].destination.pk)
        finally:
            forwarder.close()
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert known.wait(30.0)
    yield
    thread.join()


@pytest.mark.usefixtures("committed", "broker")
def test_a_destination_that_hangs_holds_up_no_other_at_the_same_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with receiving(authority, ["h2", "http/1.1"], streams=STREAMS) as receiver:
        hanging, well = (make_world(receiver, name) for name in ("hanging", "well"))  # type: ignore[arg-type]
        hanging.append("a", "a0")
        well.append("b", "b0")
        with one_process([hanging, well]):
            assert eventually(lambda: sum(name.startswith(HANGS) for name in receiver.ids) == STREAMS)
            began = time.monotonic()
            for number in range(1, 4):
                well.append("b", f"b{number}")
                doorbell.call(well.destination.pk)
                assert eventually(lambda name=f"b{number}": name in receiver.ids)  # type: ignore[misc]
            took = time.monotonic() - began
        assert eventually(well.is_settled)

    assert took < HUNG_SECONDS / 2, "they were sent only after the hanging requests had ended"
    assert [name for name in receiver.ids if name.startswith("b")] == ["b0", "b1", "b2", "b3"]
    assert (well.health().breaker, well.rows()) == ("closed", [])
    assert (hanging.health().breaker, hanging.balance()["delivered"]) == ("open", 1)
