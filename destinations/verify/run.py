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
from typing import Any, TypeVar

from destinations.verify import sink
from destinations.verify.account import Account
from destinations.verify.answers import Answers
from destinations.verify.ledger import Kind, Reader, Record, Writer
from destinations.verify.load import Load
from destinations.verify.report import Report
from destinations.verify.sender import Task
from destinations.verify.senders import Senders, sending
from destinations.verify.site import Away, Site, Terms, Unusable, owed

IN_FORCE_SECONDS = 2.0  # a change of the configuration is in force in every process within this
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Options:
    """How to run. `sink_url`: where the deployment reaches the sink, if not where it listens.

    `sink_log`: a sink elsewhere writes its arrivals there, as a ledger; then none is started here.
    """

    load: Load = field(default_factory=Load)
    answers: Answers = field(default_factory=Answers)
    ledger: Path | None = None  # None: a temporary one
    patience_seconds: float = 60.0  # without anything accepted or delivered, what is missing is lost
    listen: tuple[str, int] = ("127.0.0.1", 0)
    sink_url: str | None = None
    sink_log: Path | None = None
    keep: bool = False  # what was made in the deployment


Watch = Callable[[Account], None]
T = TypeVar("T")


def verify(options: Options, site: Site, watch: Watch = lambda _: None) -> Report:
    """Run. `watch` is shown the account some ten times a second.

    Raises Unusable when it cannot be made like that, or the sink's log has no arrivals in it, Away when the deployment
    is not there to begin with, OSError for the ledger and the sink, SenderDied.
    """
    with _ledger(options.ledger) as ledger:
        return _Run(options, site, watch, ledger).run()


class _Run:
    def __init__(self, options: Options, site: Site, watch: Watch, ledger: Path) -> None:
        self._options, self._site, self._watch, self._path = options, site, watch, ledger
        self.name = f"verify-{uuid.uuid4().hex[:8]}"
        self._account = Account(self.name)
        self._ledger = Writer(ledger)
        self._records = _Records(ledger, options.sink_log)
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
            kept = str(self._path) if self._options.ledger else None
            report = Report.of(self._account, self._settled(), kept, self._remarks())
            self._ledger.note(Kind.REPORT, report=report.as_json())
        return replace(report, remarks=[*report.remarks, *self._left_behind])

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
        """Until everything accepted is done, or nothing has moved for so long."""
        began = time.monotonic()
        has_given_up = False
        while True:
            is_over = senders.have_ended()
            self._look()
            if is_over and not self._account.waiting:
                return
            last = max(self._account.last_progress or 0.0, began + (self._options.load.seconds or 0.0))
            if time.monotonic() > last + self._options.patience_seconds:
                if is_over:
                    return
                if not has_given_up:
                    senders.give_up()
                has_given_up = True
            time.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        for record in self._records.more():
            self._account.add(record)
        self._watch(self._account)

    def _settled(self) -> Terms | None:
        """The terms, once nothing is on its way any more; with something lost, as they are."""
        deadline = time.monotonic() + self._options.patience_seconds
        terms = self._patiently(self._site.terms)
        while terms and owed(terms) and not self._account.waiting and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS * 3)
            terms = self._patiently(self._site.terms) or terms
        self._look()  # what was sent again before its checkpoint
        return terms

    def _remarks(self) -> list[str]:
        if not self._account.waiting and self._account.accepted:
            return []
        return self._patiently(self._site.trouble) or []

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


class _Records:
    """What senders and sink note, a sink elsewhere too."""

    def __init__(self, ledger: Path, sink_log: Path | None) -> None:
        self._ledger = Reader(ledger)
        self._sink_log = Reader(sink_log) if sink_log else None
        self._monotonic_at = time.monotonic() - time.time()

    def more(self) -> Iterator[Record]:
        # Read first and told last: what was sent is known before its arrival.
        arrivals = self._elsewhere()
        yield from self._ledger.more()
        yield from arrivals

    def _elsewhere(self) -> list[Record]:
        """Raises Unusable: what others write may be anything."""
        try:
            return [self._arrival(**record) for record in self._sink_log.more()] if self._sink_log else []
        except (ValueError, TypeError) as error:
            raise Unusable(f"a line of the sink's log is no arrival: {error}") from None

    def _arrival(self, *, at: float, message_id: str, status: int | None, final: bool, **_: Any) -> Record:
        return {
            "kind": Kind.ARRIVED,
            "mono": float(at) + self._monotonic_at,
            "message_id": str(message_id),
            "status": int(status or 0),
            "final": bool(final),
        }

    def close(self) -> None:
        self._ledger.close()
        if self._sink_log:
            self._sink_log.close()


@contextlib.contextmanager
def _ledger(path: Path | None) -> Iterator[Path]:
    if path:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        yield Path(folder) / "ledger.jsonl"
