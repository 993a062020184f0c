"""A run on a deployment that will not have it, without one."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from destinations.verify import run
from destinations.verify.account import Account
from destinations.verify.load import Load
from destinations.verify.run import Options, verify
from destinations.verify.site import Away, Terms, Unusable
from tests.e2e.http import ask


@pytest.fixture(autouse=True)
def _nothing_to_come_into_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "IN_FORCE_SECONDS", 0.0)


class Stubborn:
    """Takes no events, and lets nothing be removed."""

    def __init__(self, why: Exception) -> None:
        self.urls = ["http://127.0.0.1:9"]
        self._why = why

    def set_up(self, name: str, sink_url: str) -> str:
        return f"{name} {sink_url}"

    def terms(self) -> Terms:
        raise Away("not now")

    def trouble(self) -> list[str]:
        return ["it is stubborn"]

    def clean_up(self) -> None:
        raise self._why


def test_what_cannot_be_removed_is_told_and_costs_nobody_the_report() -> None:
    options = Options(Load(events=1, seconds=None), patience_seconds=0.2)

    for why, told in ((Unusable("403: no"), "403: no"), (Away("not now"), "the deployment does not answer")):
        report = verify(options, Stubborn(why))
        assert (report.accepted, report.unknown) == (0, 1)
        assert "gave up: 1 of 1 sent without an answer that says what became of them" in report.faults()
        assert report.remarks == ["it is stubborn", f"{report.run} is left behind: {told}"]


def test_a_load_that_is_given_up_says_how_much_of_it_was_never_sent() -> None:
    options = Options(Load(events=50, seconds=None, connections=2), patience_seconds=0.2)

    report = verify(options, Stubborn(Unusable("no")))

    assert (report.sent, report.unknown) == (2, 2)
    assert report.faults()[:3] == [
        "nothing was accepted",
        "gave up: 2 of 2 sent without an answer that says what became of them",
        "never sent: 48 of 50",
    ]


def test_a_load_that_is_ended_by_time_is_no_fault_and_told_when_little_of_it_went_out() -> None:
    options = Options(Load(seconds=0.2, connections=2), patience_seconds=0.2)

    report = verify(options, Stubborn(Unusable("no")))

    assert not any("never sent" in fault for fault in report.faults())
    assert report.remarks[0] == "only 2 of 20 events went out in their time, since answers were slow or did not come"


def test_lines_of_a_sinks_log_that_are_no_arrivals_are_told_and_a_fault(tmp_path: Path) -> None:
    log = tmp_path / "arrivals"
    log.touch()

    class Elsewhere(Stubborn):
        def set_up(self, name: str, sink_url: str) -> str:
            log.write_text("no\nno\n")
            return super().set_up(name, sink_url)

    options = Options(Load(events=1, seconds=None), patience_seconds=0.2, sink_url="http://x", sink_log=log)
    report = verify(options, Elsewhere(Unusable("no")))

    assert report.unreadable_lines == 2
    assert "unreadable lines: 2" in report.faults()
    assert report.remarks[0].startswith("lines of the sink's log are no arrivals, the first: 'no'")


def test_a_load_that_is_to_end_is_ended_and_reported() -> None:
    options = Options(Load(seconds=600.0, timeout_seconds=1.0), patience_seconds=0.2)

    report = verify(options, Stubborn(Unusable("no")), is_to_end=lambda: True)

    assert report.interrupted
    assert report.accepted == 0


class Settled(Stubborn):
    """Delivers the one event before it is acknowledged, owes nothing, and lets go of what was made."""

    def __init__(self) -> None:
        self._sink, self._content = urlsplit(""), b""
        self.is_settled = False

        class Ingest(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 - the site is self
                self._content = handler.rfile.read(int(handler.headers["content-length"]))
                self.deliver()
                handler.send_response(200)
                handler.end_headers()
                handler.wfile.write(b"OK")

        self._server = HTTPServer(("127.0.0.1", 0), Ingest)
        threading.Thread(target=self._server.serve_forever).start()
        self.urls = [f"http://127.0.0.1:{self._server.server_port}"]

    def deliver(self) -> None:
        assert ask(self._sink.port or 0, "POST", self._sink.path, self._content).status == 200

    def set_up(self, name: str, sink_url: str) -> str:
        self._sink = urlsplit(sink_url)
        return name

    def terms(self) -> Terms:
        self.is_settled = True
        owed = dict.fromkeys(("pending", "failed", "waiting", "aborted", "difference"), 0)
        return {"accepted": 1, "delivered": 1, **owed}

    def clean_up(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_what_is_sent_again_after_nothing_was_owed_is_counted() -> None:
    site, repeats = Settled(), iter((1, 2))

    def watch(_: Account) -> None:
        if site.is_settled and next(repeats, None):
            site.deliver()

    report = verify(Options(Load(events=1, seconds=None), patience_seconds=5.0), site, watch)

    assert (report.accepted, report.delivered, report.duplicates, report.faults()) == (1, 1, 2, [])
