"""Whether a long run left everything as large and as fast as it was. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

from destinations.verify.numbers import percentiles
from drills.ledger import Ledger
from drills.soak.sizes import Database, Memory

MIB = 2**20
WARM_UP = 0.2  # of the run: caches fill and imports are made
LEAST_LIFE = 0.3  # of the run: who lived for less says nothing about growth
MAY_GROW_SHARE, MAY_GROW_BYTES = 0.1, 8 * MIB
MAY_SLOW_SHARE, MAY_SLOW_MS = 0.5, 50.0
LEAST_ACCEPTED = 0.8  # of the load: web stands still for some of the time
PARTS = 10


@dataclass(frozen=True)
class Growth:
    """One process over the run, in bytes: the mean of its first and of its last quarter."""

    name: str
    pid: int
    before: float
    after: float

    def is_flat(self, usual: float) -> bool:
        """Whether it grew by no more than what comes and goes, or up to what is `usual` for its kind."""
        before = max(self.before, usual)
        return self.after - before <= max(MAY_GROW_BYTES, MAY_GROW_SHARE * before)


def growths(samples: Iterable[Memory], began: float, ended: float) -> list[Growth]:
    """Of every process that lived long enough after the warm-up."""
    lives: dict[tuple[str, int], list[Memory]] = defaultdict(list)
    for sample in samples:
        if sample.at >= began + WARM_UP * (ended - began):
            lives[sample.name, sample.pid].append(sample)
    return [
        _growth(name, pid, life)
        for (name, pid), life in sorted(lives.items())
        if len(life) >= 4 and life[-1].at - life[0].at >= LEAST_LIFE * (ended - began)
    ]


def _growth(name: str, pid: int, life: Sequence[Memory]) -> Growth:
    quarter = len(life) // 4
    first, last = life[:quarter], life[-quarter:]
    return Growth(name, pid, mean(s.private for s in first), mean(s.private for s in last))


def latencies(ledger: Ledger) -> list[tuple[float, float]]:
    """p50 and p95 from acknowledgement to arrival in ms, of each tenth of the run by the time of acknowledgement."""
    took = sorted(
        (accepted, max(0.0, 1000 * (ledger.delivered[event] - accepted)))
        for event, accepted in ledger.accepted.items()
        if event in ledger.delivered
    )
    edges = [len(took) * part // PARTS for part in range(PARTS + 1)]
    found = [percentiles([ms for _, ms in took[a:b]]) for a, b in pairwise(edges) if b > a]
    return [(one["p50"], one["p95"]) for one in found]


def shortfall(accepted: int, asked: float) -> list[str]:
    """Whether so much less went in than was to be sent that it was no load."""
    is_short = accepted < LEAST_ACCEPTED * asked
    return [f"{accepted} accepted of {asked:.0f} that were to be sent"] if is_short else []


def problems(
    grown: Sequence[Growth], slow: Sequence[tuple[float, float]], before: Database, after: Database
) -> list[str]:
    """What is not flat, or not explained; empty when all is well."""
    # One that has begun late, or had nothing to do, grows to what the largest of its kind was: that is no leak.
    usual: dict[str, float] = defaultdict(float)
    for one in grown:
        usual[one.name] = max(usual[one.name], one.before)
    found = [
        f"{g.name} ({g.pid}) grew by {(g.after - g.before) / MIB:.0f} MiB"
        for g in grown
        if not g.is_flat(usual[g.name])
    ]
    if len(slow) > 2:
        first, last = slow[1][0], slow[-1][0]
        if last > first + max(MAY_SLOW_MS, MAY_SLOW_SHARE * first):
            found.append(f"p50 went from {first:.0f} to {last:.0f} ms")
    if not grown:
        found.append("no process lived long enough to be judged")
    explained = sum(size for name, size in after.parts if name == "ingest_event")
    rest = after.whole - explained - (before.whole - sum(s for n, s in before.parts if n == "ingest_event"))
    if rest > max(64 * MIB, 0.2 * explained):
        found.append(f"the database grew by {rest / MIB:.0f} MiB besides the log")
    return found
