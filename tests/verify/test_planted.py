"""The checker is checked: each bug, planted in a copy of the product, is seen under the fault that reveals it.

The product itself passes under all of these faults.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from destinations.verify.ledger import Kind
from tests.e2e.services import Services
from tests.e2e.stack import ROOT, Stack
from tests.stack.harness import query
from tests.verify import planted
from tests.verify.planted import Edit, plant
from tests.verify.running import Ended, Verify

pytestmark = pytest.mark.slow

CLAIM_SECONDS = 4
SETTINGS = {
    "RECOVERY_ENABLED": "0",
    "FORWARD_AUTOSCALE": "2,2",
    "FORWARD_SHARE": "1",
    "FORWARD_CONCURRENCY": "8",
    "FORWARD_TIMEOUT_SECONDS": "2",
    "FORWARD_CLAIM_SECONDS": str(CLAIM_SECONDS),
}
# What a fault may rightly repeat: 8 in flight, and at 200 a second what was settled since the last checkpoint. A holder
# of every lane that goes on for long after it lost them repeats far more.
REPEATED_MOST = 150
# Requests that are accepted while another is on its way into the log, with events of every lane; and the time in which
# they would be sent, if they were: on a busy machine as long as it takes for as many to arrive, but less than a sender
# waits for its answer.
OVERTAKING, OVERTAKING_SECONDS, OVERTAKING_MOST_SECONDS = 40, 1.0, 2.0
# Many users, so that every lane has events of several, and a busy one who can be waited for.
USERS = ("--users", "600", "--zipf", "1", "--batch", "5", "--connections", "200")
LOAD = (*USERS, "--rate", "150", "--wait-most", "1", "--timeout", "3")
SLOW_SINK = ("--sink-latency", "40")  # a backlog builds up in the memory of the links
FAILING = ("--fail", "0.1")


class Scene:
    """Two web processes that stay, and a forwarding worker; of these the ones with a bug run a copy of the product."""

    def __init__(self, services: Services, webs: list[Stack], folder: Path) -> None:
        self.services = services
        self._folder = folder
        self._urls = [web.url for web in webs]
        (folder / "stack").mkdir()
        self._stack = Stack(services.environ | SETTINGS, folder / "stack")

    def start(self, *edits: Edit) -> None:
        """The product with these changes."""
        copy = plant(edits, self._folder) if edits else ROOT
        self._stack.start("forward", code=copy)
        if any(edit.file.startswith("ingest/") for edit in edits):
            self._stack.start("web", code=copy)
            self._urls = [self._stack.url]

    def verify(self, *options: str) -> Verify:
        urls = [word for url in self._urls for word in ("--url", url)]
        return Verify(self._stack.environ, self._folder, *LOAD, *options, *urls)

    def kill_database(self) -> None:
        with self.services.away("postgres"):
            time.sleep(0.5)

    def stop_holder_past_its_lease(self) -> None:
        """SIGSTOP a process that holds a claim until another has gone far with its lanes, then let it go on."""
        url = self.services.environ["DATABASE_URL"]
        ((owner,),) = query(url, "SELECT owner FROM destinations_claim ORDER BY id LIMIT 1")
        pid = int(str(owner).split(" ")[1])
        os.kill(pid, signal.SIGSTOP)
        time.sleep(CLAIM_SECONDS + 5)
        os.kill(pid, signal.SIGCONT)

    def hold_up_one_writer(self, verify: Verify) -> None:
        """Have one web process wait in the middle of its INSERT, while the other goes on, and then let it commit.

        Somebody else's open transaction has inserted what the busiest user sends next, and is rolled back.
        """
        name = verify.wait_for(Kind.RUN)[0]["run"]
        sent = [event for record in verify.wait_for(Kind.SENT) for event in record["events"]]
        last = max((number for user, number in sent if user == 0), default=-1)
        ids = [f"{name}-0-{number}" for number in range(last + 1, last + 1000)]
        with contextlib.closing(psycopg2.connect(self.services.environ["DATABASE_URL"])) as raw, raw.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ingest_event"
                " (day, source_id, message_id, lane, user_key, xid, position, received_at, payload)"
                " SELECT %s, s.id, m, 0, '', 0, 0, now(), '{}' FROM ingest_source s, unnest(%s) m WHERE s.name = %s"
                " ON CONFLICT DO NOTHING",
                [datetime.now(UTC).date(), ids, name],
            )
            verify.wait_for(Kind.ACCEPTED, len(verify.wait_for(Kind.ACCEPTED)) + OVERTAKING)
            until, arrived = time.monotonic() + OVERTAKING_MOST_SECONDS, len(verify.wait_for(Kind.ARRIVED))
            time.sleep(OVERTAKING_SECONDS)
            while time.monotonic() < until and len(verify.wait_for(Kind.ARRIVED)) < arrived + OVERTAKING:
                time.sleep(0.05)
            raw.rollback()

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def webs(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Stack]]:
    found = [Stack(services.environ | SETTINGS, tmp_path_factory.mktemp("web")) for _ in range(2)]
    for number, web in enumerate(found):
        web.start("web", NODE_ID=f"e2e-web-{number}")
    yield found
    for web in found:
        web.close()


@pytest.fixture
def scene(services: Services, webs: list[Stack], tmp_path: Path) -> Iterator[Scene]:
    found = Scene(services, webs, tmp_path)
    yield found
    found.close()


def ended(verify: Verify) -> Ended:
    try:
        return verify.end()
    finally:
        verify.kill()


def with_holders_stopped(scene: Scene) -> Ended:
    verify = scene.verify("--seconds", "34", *SLOW_SINK, "--patience", "4", "--duplicates", str(REPEATED_MOST))
    verify.wait_for(Kind.ARRIVED, 100)
    for _ in range(3):  # how much one of them had in its hands is chance
        scene.stop_holder_past_its_lease()
    return ended(verify)


def test_the_product_passes_under_all_of_these_faults(scene: Scene) -> None:
    scene.start()
    verify = scene.verify("--seconds", "14", *SLOW_SINK, *FAILING, "--duplicates", str(2 * REPEATED_MOST))
    verify.wait_for(Kind.ARRIVED, 50)
    scene.hold_up_one_writer(verify)
    scene.stop_holder_past_its_lease()
    scene.kill_database()
    found = ended(verify)

    assert (found.code, found.wrong(), found.errors) == (0, {}, "")
    assert found.report["accepted"] == found.report["delivered"] > 500


def test_acknowledging_before_the_commit_is_seen(scene: Scene) -> None:
    scene.start(*planted.ACKNOWLEDGE_BEFORE_COMMIT)
    verify = scene.verify("--seconds", "4", "--patience", "4")
    verify.wait_for(Kind.ARRIVED, 50)
    scene.kill_database()
    found = ended(verify)

    assert found.code == 1
    assert set(found.wrong()) == {"lost"}


def test_reading_past_uncommitted_events_is_seen(scene: Scene) -> None:
    scene.start(*planted.READ_PAST_UNCOMMITTED)
    verify = scene.verify("--seconds", "8", "--patience", "4")
    verify.wait_for(Kind.ARRIVED, 50)
    scene.hold_up_one_writer(verify)
    found = ended(verify)

    assert found.code == 1
    assert {"lost", "difference"} <= set(found.wrong())


def test_holders_that_are_stopped_past_their_lease_repeat_little(scene: Scene) -> None:
    scene.start()
    found = with_holders_stopped(scene)

    assert (found.code, found.wrong()) == (0, {})


def test_a_holder_that_goes_on_without_its_lease_is_seen(scene: Scene) -> None:
    scene.start(*planted.SKIP_THE_LEASE_TOKEN)
    found = with_holders_stopped(scene)

    # It sends again what others have sent, and sets cursors back or forth: which of them shows more is chance.
    assert found.code == 1
    assert found.report["duplicates"] + found.report["lost"] > REPEATED_MOST


def test_dropping_what_was_answered_503_is_seen(scene: Scene) -> None:
    scene.start(*planted.DROP_ON_503)
    found = ended(scene.verify("--seconds", "3", *FAILING, "--patience", "4"))

    assert found.code == 1
    assert set(found.wrong()) == {"lost"}


def test_a_cursor_that_advances_over_a_failure_is_seen(scene: Scene) -> None:
    scene.start(*planted.ADVANCE_OVER_A_FAILURE)
    found = ended(scene.verify("--seconds", "3", *FAILING, "--patience", "4"))

    assert found.code == 1
    assert set(found.wrong()) == {"lost", "difference"}


def test_a_held_user_who_is_forgotten_is_seen(scene: Scene) -> None:
    scene.start(*planted.FORGET_A_HELD_USER)
    found = ended(scene.verify("--seconds", "4", *FAILING))

    assert found.code == 1
    assert "out_of_order" in found.wrong()


def test_a_users_next_event_that_is_sent_before_the_answer_is_seen(scene: Scene) -> None:
    scene.start(*planted.NOT_WAIT_FOR_AN_ANSWER)
    found = ended(scene.verify("--seconds", "3", *SLOW_SINK))

    assert found.code == 1
    assert set(found.wrong()) == {"out_of_order"}
