"""A whole run: set up, send, receive, judge, clean up. For `manage.py verify`, and for drills from Python.

Must never let an outage of the deployment end it before patience is over: nothing but the two ends needs the database.
"""

import contextlib
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from destinations.verify import sink
from destinations.verify.account import Account
from destinations.verify.answers import Answers
from destinations.verify.ledger import Kind, Writer
from destinations.verify.load import Load
from destinations.verify.records import Records
from destinations.verify.report import Report
from destinations.verify.sender import Task
from destinations.verify.senders import Senders, sending
from destinations.verify.site import IN_FORCE_SECONDS, Away, Site, Terms, Unusable, owed

LOOK_SECONDS = 0.1
SHARE_SENT = 0.9  # of what was to be sent in its time; less is remarked
TOO_LATE = (
    "an answer of the sink came too late: whoever delivered had hung up, and delivers again. Its time-out is shorter"
    " than what the sink takes (FORWARD_TIMEOUT_SECONDS), or it died meanwhile"
)


@dataclass(frozen=True)
class Options:
    """How to run. `sink_url`: where the deployment reaches the sink, if not where it listens.

    `sink_log`: a sink elsewhere writes its arrivals there, as a ledger; then none is started here.
    """

    load: Load = field(default_factory=Load)
    answers: Answers = field(default_factory=Answers)
    ledger: Path | None = None  # None: a temporary one
    patience_seconds: float = 60.0  # without anything answered or delivered, though it is due: what is missing is lost
    listen: tuple[str, int] = ("127.0.0.1", 0)
    sink_url: str | None = None
    sink_log: Path | None = None
    listen_on_seconds: float = 1.0  # for repeats, once nothing is owed any more
    keep: bool = False  # what was made in the deployment
    duplicates_allowed: int | None = None  # None: any number


Watch = Callable[[Account], None]
Asked = Callable[[], bool]
T = TypeVar("T")


def verify(options: Options, site: Site, watch: Watch = lambda _: None, is_to_end: Asked = lambda: False) -> Report:
    """Run. `watch` is shown the account some ten times a second. Once `is_to_end`, nothing more is sent.

    Raises Unusable when it cannot be made like that, Away when the deployment is not there to begin with, OSError for
    the ledger, SenderDied.
    """
    with _ledger(options.ledger) as ledger:
        return _Run(options, site, watch, is_to_end, ledger).run()


class _Run:
    def __init__(self, options: Options, site: Site, watch: Watch, is_to_end: Asked, ledger: Path) -> None:
        self._options, self._site, self._watch, self._path = options, site, watch, ledger
        self._is_to_end = is_to_end
        self.name = f"verify-{uuid.uuid4().hex[:8]}"
        self._account = Account(self.name)
        self._ledger = Writer(ledger)
        self._records = Records(ledger, options.sink_log)
        self._left_behind: list[str] = []

    def run(self) -> Report:
        with contextlib.ExitStack() as stack:
            stack.callback(self._ledger.close)
            stack.callback(self._records.close)
            sink_url = stack.enter_context(self._sink())
            write_key = self._set_up(sink_url)
            if not self._options.keep:
                stack.callback(self._clean_up)
            time.sleep(IN_FORCE_SECONDS)
            self._ledger.note(Kind.RUN, run=self.name, load=asdict(self._options.load))
            with sending(self._tasks(write_key)) as senders:
                self._await_all(senders)
            report = self._report()
            self._ledger.note(Kind.REPORT, report=report.as_json())
        return replace(report, remarks=[*report.remarks, *self._left_behind])

    def _report(self) -> Report:
        now = time.monotonic()
        terms = self._settled()
        return Report.of(
            self._account,
            self._options.load,
            now,
            terms,
            ledger=str(self._path) if self._options.ledger else None,
            unreadable_lines=self._records.unreadable,
            remarks=self._remarks(terms),
            interrupted=self._is_to_end(),
            duplicates_allowed=self._options.duplicates_allowed,
        )

    def _set_up(self, sink_url: str) -> str:
        try:
            return self._site.set_up(self.name, sink_url)
        except BaseException:
            with contextlib.suppress(Away):
                self._site.clean_up()
            raise

    def _clean_up(self) -> None:
        """Remove what was made; that it could not be costs nobody the report."""
        try:
            if self._patiently(self._removed):
                return
            why = "the deployment does not answer"
        except Unusable as error:
            why = str(error)
        self._left_behind.append(f"{self.name} is left behind: {why}")

    def _removed(self) -> bool:
        self._site.clean_up()
        return True

    def _tasks(self, write_key: str) -> list[Task]:
        load = self._options.load
        return [
            Task(load, part, self.name, self._site.urls, write_key, str(self._path.absolute()))
            for part in range(load.parts)
        ]

    @contextlib.contextmanager
    def _sink(self) -> Iterator[str]:
        """Where the destination sends to."""
        host, port = self._options.listen
        path = f"/{self.name}"
        if self._options.sink_log:
            yield self._options.sink_url or ""
            return
        with sink.listening(host, port, path, self._options.answers, self._path) as found:
            base = self._options.sink_url or f"http://{f'[{host}]' if ':' in host else host}:{found}"
            yield base.rstrip("/") + path

    def _await_all(self, senders: Senders) -> None:
        """Until everything accepted is done, or nothing has moved for so long, though something should have."""
        idle, ends = 0.0, time.monotonic() + (self._options.load.seconds or 0.0)
        has_given_up = False
        while True:
            is_over = senders.have_ended()
            self._look()
            if is_over and not self._account.waiting:
                return
            if self._is_to_end():
                ends = min(ends, time.monotonic())
            if not self._account.is_owing:
                idle = time.monotonic()
            last = max(self._account.last_progress or 0.0, ends, idle)
            is_out_of_patience = time.monotonic() > last + self._options.patience_seconds
            if is_over and is_out_of_patience:
                return
            if (is_out_of_patience or self._is_to_end()) and not has_given_up:
                senders.give_up()
                has_given_up = True
            time.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        for record in self._records.more():
            self._account.add(record)
        self._watch(self._account)

    def _settled(self) -> Terms | None:
        """The terms, once nothing is on its way any more; with something lost, as they are.

        What is sent again although nothing is owed comes after that: it is listened for, and the terms are asked anew.
        """
        terms = self._owing_nothing()
        if terms and not owed(terms) and not self._account.waiting:
            ends = time.monotonic() + self._options.listen_on_seconds
            while time.monotonic() < ends:
                time.sleep(LOOK_SECONDS)
                self._look()
            terms = self._owing_nothing() or terms
        self._look()
        return terms

    def _owing_nothing(self) -> Terms | None:
        """The terms, when nothing is owed, or patience is over."""
        deadline = time.monotonic() + self._options.patience_seconds
        terms = self._patiently(self._site.terms)
        while terms and owed(terms) and not self._account.waiting and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS * 3)
            terms = self._patiently(self._site.terms) or terms
        return terms

    def _remarks(self, terms: Terms | None) -> list[str]:
        remarks = self._records.remarks() + self._slowed()
        if self._account.late:
            remarks.append(TOO_LATE)
        if self._account.waiting or not self._account.accepted or (terms and owed(terms)):
            remarks += self._patiently(self._site.trouble) or []
        return remarks

    def _slowed(self) -> list[str]:
        """That much less was sent than the rate comes to in that time, which is no fault."""
        sent, expected = self._account.sent, self._options.load.expected
        if self._options.load.asked or not expected or sent >= expected * SHARE_SENT or self._is_to_end():
            return []
        return [f"only {sent} of {expected} events went out in their time, since answers were slow or did not come"]

    def _patiently(self, ask: Callable[[], T]) -> T | None:
        """Ask until there is an answer; None when there was none for as long as patience lasts."""
        deadline = time.monotonic() + self._options.patience_seconds
        while True:
            try:
                return ask()
            except Away:
                if time.monotonic() > deadline:
                    return None
                time.sleep(LOOK_SECONDS * 3)


@contextlib.contextmanager
def _ledger(path: Path | None) -> Iterator[Path]:
    if path:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        yield Path(folder) / "ledger.jsonl"
