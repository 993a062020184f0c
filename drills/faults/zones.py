"""Three zones, each with web and workers and a database, two of which have every commit; the broker is in one of them.

A zone is cut off from the others for longer than a claim lives. What an operator's controller does in a cluster is done
here: promote the standby that has most, start the broker elsewhere, make a standby of what was the primary.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from drills.balancer import balancing
from drills.cluster import Server, serving
from drills.drill import Drill
from drills.judging import Target
from drills.load import Plan
from drills.scene import REST_SECONDS, Scene
from drills.shared import of_all
from drills.stack import ROOT, Stack, eventually, free_ports
from drills.zones import FLOATING, HOME, NETWORK, Zone, has_no_zones, move, zoned
from rudderproj.stack import valkey
from rudderproj.stack.datadir import open_data_dir

ACCESS = f"host all all {NETWORK}.0.0/16 scram-sha-256\nhost replication all {NETWORK}.0.0/16 scram-sha-256\n"
NOTICE_SECONDS = 3.0  # until a controller is sure that it is gone
CUT_SECONDS = 20.0  # longer than a claim lives that nobody renews
GONE_ON = Target(first_delivery_seconds=20.0)  # a claim that was held in the zone lives for up to 16 seconds
PROMOTED = Target(first_delivery_seconds=18.0)  # 15 from the promotion, as anywhere, which is NOTICE_SECONDS in
_BOTH_FOLLOW = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'quorum' HAVING count(*) = 2"


@dataclass
class Place:
    """A zone and what runs in it."""

    zone: Zone
    server: Server
    stack: "ZoneStack"


class ZoneStack(Stack):
    """The first zone's stack; `field` is all of them."""

    field: "Field"


class Broker:
    """A Valkey that can be started anew in any zone, always at the same address."""

    def __init__(self, folder: Path) -> None:
        self._data = open_data_dir(str(folder))
        self._made = valkey.prepare(self._data)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self._made.url().replace("127.0.0.1", FLOATING)

    def start(self, zone: Zone, zones: Sequence[Zone]) -> subprocess.Popen[bytes] | None:
        """Empty, in this zone; the process that there was, which goes on."""
        former = self._process
        move(FLOATING, zone, zones)
        command = [*zone.where.prefix, *self._made.command, "--bind", "0.0.0.0"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        eventually(self._answers, "the broker")
        return former

    def _answers(self) -> bool:
        with contextlib.suppress(RedisError), Redis.from_url(self.url, socket_timeout=2) as client:
            return bool(client.ping())
        return False

    def close(self) -> None:
        end(self._process)
        self._data.close()


def end(process: subprocess.Popen[bytes] | None) -> None:
    """Kill it, if there is one."""
    if process:
        process.kill()
        process.wait()


class Field:
    """Who is where."""

    def __init__(self, places: Sequence[Place], broker: Broker) -> None:
        self.places, self.broker = places, broker
        self.primary, self.broker_at = places[0], places[2]

    @property
    def zones(self) -> list[Zone]:
        return [place.zone for place in self.places]

    def others(self, lost: Place) -> list[Place]:
        return [place for place in self.places if place is not lost]

    def fail_over(self) -> None:
        """The standby that has most is promoted; the other one follows it."""
        found = sorted(self.others(self.primary), key=lambda place: place.server.wal("pg_last_wal_receive_lsn"))
        behind, first = found
        first.server.ask("SELECT pg_promote()")
        behind.server.follow_instead(first.server)
        self.primary = first

    def restore(self, place: Place) -> None:
        """What was the primary becomes a standby of the one that is."""
        old = place.server
        place.server = self.primary.server.follow(f"{old.name}-again", old.where, old.port)

    def stop_databases(self) -> None:
        for place in self.places:
            place.server.stop()

    def is_whole(self) -> bool:
        return bool(self.primary.server.ask(_BOTH_FOLLOW)) and all(place.stack.is_ready() for place in self.places)


@contextlib.contextmanager
def three_zones(folder: Path) -> Iterator[Stack]:
    """Three stacks on three databases and a broker, and a balancer in front."""
    with contextlib.ExitStack() as held:
        zones = held.enter_context(zoned())
        servers = held.enter_context(_databases(folder.with_name("database"), zones))
        broker = Broker(folder.with_name("broker"))
        held.callback(broker.close)
        broker.start(zones[2], zones)
        balancer = held.enter_context(balancing(HOME))
        shared = _shared(servers, broker)
        stacks = [_stack(folder, zone, shared) for zone in zones]
        places = [Place(*found) for found in zip(zones, servers, stacks, strict=True)]
        field = stacks[0].field = Field(places, broker)
        stacks[0].together = stacks
        held.callback(field.stop_databases)
        sink = f"{HOME}:{free_ports(1)[0]}"
        stacks[0].verify_options = ("--listen", sink, "--url", f"http://{HOME}:{balancer.port}")
        held.enter_context(stacks[0].running())
        with ThreadPoolExecutor() as pool:
            list(pool.map(held.enter_context, [stack.running() for stack in stacks[1:]]))
        balancer.add(*stacks)
        eventually(lambda: all(map(balancer.serves, stacks)), "all zones behind the balancer")
        yield stacks[0]


@contextlib.contextmanager
def _databases(folder: Path, zones: Sequence[Zone]) -> Iterator[list[Server]]:
    where = [zone.where for zone in zones]
    with serving(folder, "listen_addresses=*", access=ACCESS, where=where[0]) as primary:
        primary.ask("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")  # before it is copied
        standbys: list[Server] = []
        try:
            standbys += (primary.follow(f"standby-{number}", at) for number, at in enumerate(where[1:], 2))
            primary.ask("SELECT pg_reload_conf()")
            eventually(lambda: primary.ask(_BOTH_FOLLOW), "two standbys")
            yield [primary, *standbys]
        finally:
            for server in standbys:
                server.stop()


def _shared(servers: Sequence[Server], broker: Broker) -> dict[str, str]:
    hosts = ",".join(f"{server.where.host}:{server.port}" for server in servers)
    url = servers[0].url().replace(f"{servers[0].where.host}:{servers[0].port}", hosts)
    return of_all(url, broker.url) | {
        "WEB_HOST": "0.0.0.0",
        "ALLOWED_HOSTS": "*",
        "FORWARD_AUTOSCALE": "2,1",
        "EGRESS_ALLOW": f"127.0.0.0/8,{NETWORK}.0.0/16",
    }


def _stack(folder: Path, zone: Zone, shared: dict[str, str]) -> ZoneStack:
    home = folder.with_name(f"{folder.name}-{zone.name}")
    return ZoneStack(home, shared | {"NODE_ID": zone.name}, zone.where.prefix, zone.where.host)


def lose(of: str, scene: Scene) -> None:
    """Cut the zone off that has this, go on without it, and take it in again."""
    field = scene.staged(ZoneStack).field
    lost: Place = {
        "primary": field.primary,
        "broker": field.broker_at,
        "standby": next(place for place in field.others(field.primary) if place is not field.broker_at),
    }[of]
    old, leftover = (lost.server if lost is field.primary else None), None
    began = scene.now()
    lost.zone.cut()
    scene.recovering()
    try:
        scene.pause(NOTICE_SECONDS)
        if old:
            field.fail_over()
        if lost is field.broker_at:
            field.broker_at = field.others(lost)[-1]
            leftover = field.broker.start(field.broker_at.zone, [place.zone for place in field.others(lost)])
        scene.pause(min(CUT_SECONDS - NOTICE_SECONDS, scene.left - 2 * REST_SECONDS))
    finally:
        if old:  # nobody may write it any more
            old.kill()
        if leftover:
            end(leftover)
            lost.zone.leave(FLOATING)
        scene.healed(began)
        lost.zone.heal()
        lost.zone.forget(FLOATING)
        if old:  # links of all zones waited for the database, and sent what they could not note
            scene.struck(since=began)
    if old:
        field.restore(lost)
    eventually(field.is_whole, "all three zones")


DRILLS: Sequence[Drill] = tuple(
    Drill(
        f"zone-{of}",
        f"one of three zones cut off: the one with {what}",
        partial(lose, of),
        target=target,
        plan=Plan(seconds=60, patience=150),
        stage=three_zones,
        needs=has_no_zones,
    )
    for of, what, target in (
        ("standby", "a standby of the database", GONE_ON),
        ("broker", "the broker and a standby", GONE_ON),
        ("primary", "the database's primary", PROMOTED),
    )
)
