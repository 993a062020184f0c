"""Whether a long run left everything as large and as fast as it was. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median

from destinations.verify.numbers import percentiles
from drills.ledger import Ledger
from drills.soak.sizes import BACKEND, POOL, Database, Memory

MIB = 2**20
WARM_UP = 0.2  # of the run: caches fill and imports are made
LEAST_LIFE = 0.3  # of the run: who lived for less says little about growth
MAY_GROW_SHARE, MAY_GROW_BYTES = 0.1, 8 * MIB
MAY_SLOW_SHARE, MAY_SLOW_MS = 0.5, 10.0  # the median
TAIL_MAY_SLOW_SHARE, TAIL_MAY_SLOW_MS = 1.5, 100.0  # the 95th percentile: troubles are in every tenth
USUAL_ABOVE_FIRST = 3.0  # times the milliseconds above
LEAST_PART_SECONDS = 60.0  # for its 95th percentile to be more than the one trouble that was in it
# An event is its payload, 0.1 kB beside it in its row, and entries in two indexes, whose pages are half empty at worst:
# 1.4 payloads of 560 bytes in a real run.
MAY_BE_PAYLOADS = 3.0
MAY_BE_LOG_BYTES = 8 * MIB  # partitions made ahead, and pages that are not full yet
MAY_BE_REST_BYTES = 32 * MIB
LEAST_SAMPLES = 8  # of a life that is shorter than LEAST_LIFE
EXPECTED = ("web", "forward", "alerts", "beat", "flower", "valkey", "postgres")  # of each one at least is judged
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
    """Of every process that lived long enough after the warm-up; where a kind has none, of what lived for less."""
    lives: dict[tuple[str, int], list[Memory]] = defaultdict(list)
    for sample in samples:
        if sample.at >= began + WARM_UP * (ended - began):
            lives[sample.name, sample.pid].append(sample)
    least = LEAST_LIFE * (ended - began)
    judged = {who: life for who, life in lives.items() if len(life) >= 4 and life[-1].at - life[0].at >= least}
    found = {name for name, _ in judged}
    for (name, pid), life in lives.items():
        if name not in found and _comes_and_goes(name):
            own = life[len(life) // 4 :]  # its warm-up is its own
            judged |= {(name, pid): own} if len(own) >= LEAST_SAMPLES else {}
    return [_growth(name, pid, life) for (name, pid), life in sorted(judged.items())]


def _comes_and_goes(name: str) -> bool:
    """Whether those of this kind are replaced in the course of things, so that a leak is in each of them anew."""
    return name.endswith(POOL) or name == BACKEND


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


def problems(grown: Sequence[Growth], before: Database, after: Database) -> list[str]:
    """What is not flat, not explained, or cannot be known; empty when all is well."""
    unseen = [name for name in EXPECTED if name not in {one.name for one in grown}]
    return [
        *_grown(grown),
        *(f"no process of {name} lived long enough to be judged" for name in unseen),
        *_unexplained(before, after),
    ]


def unfelt(hits: Mapping[str, int]) -> list[str]:
    """Which kinds of trouble never hit anything. `hits`: how much each has hit, of those that came due."""
    if not hits:
        return ["no trouble came due"]
    return [f"{name}: nothing was hit" for name, count in sorted(hits.items()) if not count]


def slowness(tenths: Sequence[tuple[float, float]], seconds: float) -> list[str]:
    """Which tenths after the first were slower than is usual for a run of so many seconds."""
    rest = tenths[1:]
    limits = [("p50", MAY_SLOW_MS, MAY_SLOW_SHARE)]
    if seconds >= PARTS * LEAST_PART_SECONDS:
        limits.append(("p95", TAIL_MAY_SLOW_MS, TAIL_MAY_SLOW_SHARE))
    found = []
    for which, (name, least, share) in enumerate(limits):
        values = [tenth[which] for tenth in rest]
        # The middle one tells what is usual: any may have met more trouble. Unless most were slow and the first not.
        usual = min(median(values), values[0] + USUAL_ABOVE_FIRST * least) if values else 0.0
        limit = usual + max(least, share * usual)
        slow = [(number, value) for number, value in enumerate(values, 2) if value > limit]
        found += [f"{name} of tenth {number} was {value:.0f} ms, usually {usual:.0f}" for number, value in slow]
    return found


def _grown(grown: Sequence[Growth]) -> list[str]:
    # In a pool one that has begun late, or had nothing to do, grows to what the largest was: that is no leak.
    usual: dict[str, float] = defaultdict(float)
    for one in grown:
        if one.name.endswith(POOL):
            usual[one.name] = max(usual[one.name], one.before)
    return [
        f"{g.name} ({g.pid}) grew by {(g.after - g.before) / MIB:.0f} MiB"
        for g in grown
        if not g.is_flat(usual[g.name])
    ]


def _unexplained(before: Database, after: Database) -> list[str]:
    """What of the database is neither the new events, nor the little that is kept besides."""
    log, events = _log(after) - _log(before), max(0, after.events - before.events)
    rest = after.whole - before.whole - log
    found = []
    if log > MAY_BE_LOG_BYTES + MAY_BE_PAYLOADS * after.payload * events:
        found.append(f"the log grew by {log / MIB:.0f} MiB for {events:,} events of {after.payload:.0f} bytes")
    if rest > MAY_BE_REST_BYTES:
        found.append(f"the database grew by {rest / MIB:.0f} MiB besides the log")
    return found


def _log(database: Database) -> int:
    return sum(size for name, size in database.parts if name == "ingest_event")
