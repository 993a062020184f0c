"""What is told: from this process, from its children, from the database; and to whom."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone
from psycopg2.extensions import connection as Raw  # noqa: N812

from alerts import modes
from destinations import history, metrics_page
from destinations import metrics as figures
from destinations.models import Connection, Destination, Health, Sample
from destinations.outcome import Outcome
from ingest.models import Event, Source
from rudderproj import db, horizon, metrics
from rudderproj.metrics import ATTEMPT_SECONDS, ATTEMPTS, Definition, Figures, Recorder
from rudderproj.metrics_relay import MOST_OBSERVATIONS, Relay
from tests.docs.pages import ROOT
from tests.metrics.promtool import promtool
from tests.metrics.scrape import parsed, value
from tests.stack.harness import eventually

DESTINATIONS = 1000


def told() -> dict[str, dict[tuple[str, ...], float]]:
    """The figures of the database, read now."""
    return {name: dict(rows) for name, rows in figures.read().items()}


def attempts(*labels: str) -> float:
    return value(parsed(metrics.exposition(with_figures=False).decode()), "rudderproj_attempts_total", *labels)


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay of this process, being read."""
    made = Relay()
    threading.Thread(target=made.read, daemon=True).start()
    yield made
    Recorder.relay = None


def in_child(relay: Relay, work: Callable[[], None]) -> None:
    """Run it in a forked child, which is then killed."""
    pid = os.fork()
    if pid == 0:
        relay.in_child()
        work()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def test_what_children_counted_is_told_by_their_parent_after_they_were_killed(relay: Relay) -> None:
    def work() -> None:
        for _ in range(3):
            ATTEMPTS.add(1, "relayed", "delivered")
            ATTEMPT_SECONDS.add(0.25, "relayed")
        relay.flush()

    for _ in range(2):
        in_child(relay, work)

    eventually(lambda: attempts("relayed", "delivered") == 6)
    found = parsed(metrics.exposition(with_figures=False).decode())
    assert value(found, "rudderproj_attempt_seconds_count", "relayed") == 6
    assert value(found, "rudderproj_attempt_seconds_sum", "relayed") == 1.5


def test_what_goes_wrong_is_told_as_nothing_before_it_does() -> None:
    """To Prometheus a series that begins at ninety has not risen."""
    metrics.observe_request("/v1/never-asked", 200, 0.01)
    ATTEMPTS.bound("new", "delivered")(1)
    found = parsed(metrics.exposition(with_figures=False).decode())
    for status in ("500", "503"):
        assert ("rudderproj_request_seconds_count", frozenset({"other", status})) in found
    counted = {outcome: found["rudderproj_attempts_total", frozenset({"new", outcome})] for outcome in Outcome}
    assert counted == {outcome: float(outcome is Outcome.DELIVERED) for outcome in Outcome}
    assert ATTEMPTS.definition.known == tuple(Outcome)


def test_what_a_parent_is_too_slow_to_take_is_kept_and_bounded() -> None:
    relay = Relay()  # read only later
    Recorder.relay = relay
    for number in range(5000):
        ATTEMPTS.add(1, f"slow{number}", "retry")
    relay.flush()
    for _ in range(MOST_OBSERVATIONS + 10):
        ATTEMPT_SECONDS.add(0.5, "slow")
    Recorder.relay = None

    threading.Thread(target=relay.read, daemon=True).start()

    def is_whole() -> bool:
        relay.flush()
        found = parsed(metrics.exposition(with_figures=False).decode())
        return (
            sum(value(found, "rudderproj_attempts_total", f"slow{number}", "retry") for number in range(5000)) == 5000
            and value(found, "rudderproj_attempt_seconds_count", "slow") == MOST_OBSERVATIONS
        )

    eventually(is_whole)


@pytest.mark.parametrize(
    ("values", "header", "status"),
    [
        ({}, None, 404),
        ({"METRICS_TOKEN": "t"}, None, 401),
        ({"METRICS_TOKEN": "t"}, "Bearer other", 401),
        ({"METRICS_TOKEN": "t"}, "Bearer t", 200),
        ({"METRICS_OPEN": True}, None, 200),
    ],
)
def test_the_public_port_tells_metrics_only_to_whom_the_settings_say(
    committed: None, monkeypatch: pytest.MonkeyPatch, values: dict[str, object], header: str | None, status: int
) -> None:
    for name, chosen in ({"METRICS_TOKEN": "", "METRICS_OPEN": False} | values).items():
        monkeypatch.setitem(settings.ENV, name, chosen)
    headers = {"authorization": header} if header else {}

    answer = Client().get("/metrics", headers=headers)

    assert answer.status_code == status
    assert (b"rudderproj_" in answer.content) is (status == 200)


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize(
    ("kept", "warned", "days"),
    [(30, 3, 27), (30, 10, 20), (30, 20, 15), (7, 3, 4), (3, 3, 1.5), (1, 3, 0.5), (1, 1, 0.5)],
)
def test_the_age_that_is_warned_about_is_one_that_events_reach_only_when_they_are_late(
    kept: int, warned: int, days: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.ENV, "RETENTION_DAYS", kept)
    monkeypatch.setitem(settings.ENV, "RETENTION_WARNING_DAYS", warned)
    found = told()
    assert found["rudderproj_retention_seconds"] == {(): kept * 86400}
    assert found["rudderproj_retention_warning_age_seconds"] == {(): days * 86400}


def test_the_state_of_destinations_is_told(link: Connection) -> None:
    Destination.objects.create(name="other", type="webhook", enabled=False)
    Health.objects.filter(destination=link.destination).update(
        state="held", breaker="half_open", probe_at="2026-01-01T00:00Z", opened_at="2026-01-01T00:00Z", probes_failed=3
    )
    modes.set_mode("degraded", "test", "ada")

    found = told()

    assert found["rudderproj_destination_held"] == {("hook",): 1, ("other",): 0}
    assert found["rudderproj_destination_enabled"] == {("hook",): 1, ("other",): 0}
    assert found["rudderproj_destination_paused"] == {("hook",): 0, ("other",): 0}
    assert found["rudderproj_breaker_state"] == {("hook",): 1, ("other",): 0}
    assert found["rudderproj_failed_probes"] == {("hook",): 3, ("other",): 0}
    assert found["rudderproj_breaker_open_seconds"][("hook",)] > 1_000_000
    assert found["rudderproj_breaker_open_seconds"][("other",)] == 0
    assert found["rudderproj_degraded"] == {(): 1}
    assert found["rudderproj_log_partitions"] == {(): 4}
    assert found["rudderproj_log_partitions_ahead"] == {(): 2}
    assert found["rudderproj_processes"] == {(role,): 0 for role in ("web", "forward", "alerts", "beat", "flower")}


AGES = [f"rudderproj_{name}_seconds" for name in ("oldest_event_age", "oldest_pending_age", "destination_behind")]


@pytest.mark.parametrize("switched", [Connection, Destination])
def test_what_waits_for_the_return_of_what_is_switched_off_is_owed_and_nobody_is_behind_with_it(
    link: Connection, write: Callable[..., None], switched: type[Connection | Destination]
) -> None:
    write(link.source, [1, 2])
    Event.objects.update(received_at=timezone.now() - timedelta(seconds=1000))

    def found() -> tuple[list[int], float, float]:
        Sample.objects.all().delete()
        values, of = told(), (link.source.name, "hook")
        ages = [int(values[name][("hook",)] // 1000) for name in AGES]
        return ages, values["rudderproj_pending_events"][of], values["rudderproj_difference_events"][of]

    assert found() == ([1, 1, 1], 2, 0)
    switched.objects.update(enabled=False)
    assert found() == ([1, 0, 0], 2, 0)
    assert [told()[name][("hook",)] for name in AGES[1:]] == [0.0, 0.0]
    switched.objects.update(enabled=True)
    assert found() == ([1, 1, 1], 2, 0)


def test_a_destination_is_behind_with_what_other_connections_owe_it(
    link: Connection, write: Callable[..., None]
) -> None:
    other = Source.objects.create(name="other", write_key="o")
    Connection.objects.create(source=other, destination=link.destination)
    for source, seconds in ((link.source, 9000), (other, 100)):
        write(source, [1])
        Event.objects.filter(source_id=source.pk).update(received_at=timezone.now() - timedelta(seconds=seconds))
    Connection.objects.filter(pk=link.pk).update(enabled=False)

    ages = [told()[name][("hook",)] for name in AGES]

    assert [int(age // 100) for age in ages] == [90, 1, 1]


def test_a_thousand_destinations_take_no_more_queries_than_one(raw: Raw, source: Source) -> None:
    def queries() -> int:
        seen.clear()
        Sample.objects.all().delete()
        with connection.execute_wrapper(counting):
            found = told()
        assert len(found["rudderproj_pending_events"]) == Connection.objects.count()
        return len(seen)

    def counting(execute: Callable[..., object], *arguments: object) -> object:
        seen.append(1)
        return execute(*arguments)

    seen: list[int] = []
    hook = Destination.objects.create(name="hook", type="webhook")
    Connection.objects.create(source=source, destination=hook)
    one = queries()
    made = [Destination(name=f"d{number}", type="webhook") for number in range(DESTINATIONS)]
    Destination.objects.bulk_create(made)
    Connection.objects.bulk_create(Connection(source=source, destination=destination) for destination in made)

    assert queries() == one <= 30


def test_a_scrape_within_seconds_of_another_reads_nothing() -> None:
    asked: list[int] = []

    def read() -> dict[str, metrics.Rows]:
        asked.append(1)
        return {"rudderproj_x": [((), len(asked))]}

    told = Figures()
    told.add([Definition("rudderproj_x", "gauge", "x")], read)

    assert told.text() == told.text()
    assert asked == [1]


def test_figures_that_cannot_be_read_are_left_out_and_said_to_be() -> None:
    def read() -> dict[str, metrics.Rows]:
        raise ValueError("away")

    told = Figures()
    told.add([Definition("rudderproj_x", "gauge", "x")], read)

    found = parsed(told.text().decode())
    assert found == {("rudderproj_database_up", frozenset()): 0}


def test_who_holds_the_horizon_is_told(raw: Raw) -> None:
    assert horizon.holder() is None
    with closing(db.connect("slow import", 30)) as other:
        other.autocommit = False
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()::text, pg_backend_pid(), current_user, current_database()")
            xid, pid, user, database = cursor.fetchone() or ("", 0, "", "")
        with raw.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.1)")
        found = horizon.holder()
        assert found is not None
        assert (found.xid, found.who) == (
            int(xid),
            f"pid {pid} of {user}: rudderproj slow import in {database}, idle in transaction",
        )
        assert 0.1 <= found.age_seconds < 60
        other.rollback()

    assert horizon.holder() is None


def test_a_holder_whose_beginning_is_hidden_is_as_old_as_we_know_it(raw: Raw) -> None:
    with closing(db.connect("import", 30)) as other, connection.cursor() as cursor:
        other.autocommit = False
        with other.cursor() as writing:
            writing.execute("SELECT pg_current_xact_id()")
        cursor.execute("CREATE ROLE sees_little; GRANT sees_little TO current_user; SET ROLE sees_little")
        try:
            first = horizon.holder()
            second = horizon.holder()
        finally:
            cursor.execute("RESET ROLE; DROP ROLE sees_little")
        other.rollback()

    assert first is not None
    assert second is not None
    assert first.xid == second.xid
    assert 0 <= first.age_seconds < second.age_seconds < 60
    assert first.who.endswith(", state hidden")


def test_a_horizon_that_is_held_for_long_is_logged_with_the_holder(
    raw: Raw, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if "horizon.held" in record.getMessage()]

    with raw.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_current_xact_id()")
        horizon.warn_if_held()
        assert lines() == []
        monkeypatch.setattr(horizon, "LIMIT_SECONDS", 0.0)
        horizon.warn_if_held()
        cursor.execute("ROLLBACK")

    assert len(lines()) == 1
    assert "rudderproj tests" in lines()[0]


def test_prometheus_finds_nothing_to_say_about_what_is_told(link: Connection) -> None:
    told = Figures()
    told.add(figures.DEFINITIONS, figures.read)
    text = metrics.exposition(with_figures=False) + told.text()

    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_metrics_page_is_what_the_code_tells() -> None:
    text = (ROOT / "docs/reference/metrics.md").read_text()

    assert text == metrics_page.page(), "make it anew: python -m destinations.metrics_page > docs/reference/metrics.md"


def test_every_definition_is_well_named_and_every_row_of_figures_defined(link: Connection) -> None:
    definitions = metrics.definitions()
    names = [definition.name for definition in definitions]
    assert len(set(names)) == len(names)
    for definition in definitions:
        assert definition.name.startswith("rudderproj_")
        assert definition.name.endswith("_total") == (definition.kind == "counter")
        assert definition.help
    history.sample()
    assert set(told()) == {definition.name for definition in figures.DEFINITIONS}
    for definition in figures.DEFINITIONS:
        assert all(len(labels) == len(definition.labels) for labels in told()[definition.name])
