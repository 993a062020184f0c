"""The configuration is changed under load, as fast as the API answers.

What was connected when an event was accepted decides where it arrives, and a user's events arrive in order everywhere.

The judge knows only what a client knows: when a change was asked for and answered, and an event sent and acknowledged.
"""

import json
import random
import time
import uuid
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from destinations.oracle.sink import Sink
from drills import arrivals
from drills.api import Api
from drills.arrivals import Place
from drills.drill import Drill
from drills.load import Plan
from drills.remover import CONNECTION, DESTINATION, Remover, removing
from drills.scene import REST_SECONDS, Scene
from drills.stack import NotSo, eventually
from drills.trickle import Sent, Trickle, trickling

SWITCHED = 4
MOST = 16
EVERY_SECONDS = 0.15
LEAST_CHANGES = 16  # on a slow machine that takes longer than the load
CREATED, DELETED, RECONNECTED = 0.1, 0.07, 0.07  # of changes


@dataclass
class Switch:
    """A destination and its connection, each switched. `changes`: on or off, when asked for, when answered.

    `cut`: when it was asked to delete the connection, before another was made in its place.
    """

    name: str
    destination: int
    connection: int
    changes: list[tuple[bool, float, float]]
    parts: dict[str, bool] = field(default_factory=lambda: {"destinations": True, "connections": True})
    is_deleted: bool = False
    cut: list[float] = field(default_factory=list)

    @property
    def is_on(self) -> bool:
        return all(self.parts.values())

    def life(self, event: Sent) -> int:
        """Which of its connections was there when the event was sent, if any was."""
        return bisect(self.cut, event.began)

    def owes(self, event: Sent) -> bool | None:
        """Whether it was on when the event was accepted; None if a change was under way meanwhile."""
        for on, asked, answered in reversed(self.changes):
            if asked < event.ended:
                return on if answered < event.began else None
        return False  # it was not there yet

    def expects(self, event: Sent) -> bool | None:
        """Whether the event must arrive (True) or must not (False).

        What was owed by a connection when it was deleted, with its destination or alone, may have arrived, unless a
        later one of its user has.
        """
        owes = self.owes(event)
        return None if owes and (self.is_deleted or self.life(event) < len(self.cut)) else owes


def change(scene: Scene) -> None:
    """Connections and destinations switched, made and deleted, while events come in."""
    key = f"config-{uuid.uuid4().hex[:6]}"
    api = Api(scene.stack, key)
    source = api.post("sources", name=key)
    with Sink() as sink, removing(scene.stack) as remover:
        changer = Changer(scene.chance, api, remover, source["id"], key, sink)
        for _ in range(SWITCHED):
            changer.make()
        scene.recovering()
        with trickling(scene.stack, source["write_key"], every_seconds=0.02) as trickle:
            while scene.left > REST_SECONDS or changer.count < LEAST_CHANGES:
                changer.change()
                scene.pause(EVERY_SECONDS * scene.chance.uniform(0.5, 1.5))
            changer.reconnect()
            changer.delete()
            scene.pause(1.0)  # events that no longer belong to it
        changer.switch_all_on()  # what is owed goes out
        _judge(scene, changer.switches, trickle, sink)
    _accounts(scene, key)


@dataclass
class Changer:
    """Who changes the configuration, by chance."""

    chance: random.Random
    api: Api
    remover: Remover
    source: int
    key: str
    sink: Sink
    switches: list[Switch] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Changes so far, those without effect left out."""
        return sum(len(switch.changes) for switch in self.switches)

    @property
    def _alive(self) -> list[Switch]:
        return [switch for switch in self.switches if not switch.is_deleted]

    def change(self) -> None:
        """Mostly a switch of a connection or of a destination; now and then one is made, deleted or connected anew."""
        what, alive = self.chance.random(), self._alive
        if what < CREATED and len(alive) < MOST:
            self.make()
        elif what > 1 - DELETED and len(alive) > SWITCHED:
            self.delete()
        elif what > 1 - DELETED - RECONNECTED:
            self.reconnect()
        else:
            switch, part = self.chance.choice(alive), self.chance.choice(("destinations", "connections"))
            self._turn(switch, part, not switch.parts[part])

    def switch_all_on(self) -> None:
        for switch in self._alive:
            for part, is_on in switch.parts.items():
                if not is_on:
                    self._turn(switch, part, True)

    def make(self) -> None:
        name = f"{self.key}-{len(self.switches)}"
        config = {"webhookUrl": f"http://127.0.0.1:{self.sink.port}/{name}"}
        began = time.monotonic()
        destination = self.api.post("destinations", name=name, type="webhook", config=config)["id"]
        connection = self.api.post("connections", source=self.source, destination=destination)["id"]
        self.switches.append(Switch(name, destination, connection, [(True, began, time.monotonic())]))

    def _turn(self, switch: Switch, part: str, on: bool) -> None:
        was_on, began = switch.is_on, time.monotonic()
        number = switch.destination if part == "destinations" else switch.connection
        self.api.patch(f"{part}/{number}", enabled=on)
        switch.parts[part] = on
        if switch.is_on != was_on:
            switch.changes.append((switch.is_on, began, time.monotonic()))

    def delete(self) -> None:
        """Delete one of those that are left."""
        switch = self.chance.choice(self._alive)
        began = time.monotonic()
        self.remover.remove(DESTINATION, switch.destination)
        switch.changes.append((False, began, time.monotonic()))
        switch.is_deleted = True

    def reconnect(self) -> None:
        """Delete the connection of one of them alone, and make another in its place."""
        switch = self.chance.choice(self._alive)
        was_on, began = switch.is_on, time.monotonic()
        self.remover.remove(CONNECTION, switch.connection)
        switch.cut.append(began)
        if was_on:
            switch.changes.append((False, began, time.monotonic()))
        began = time.monotonic()
        switch.connection = self.api.post("connections", source=self.source, destination=switch.destination)["id"]
        switch.parts["connections"] = True
        if switch.is_on:
            switch.changes.append((True, began, time.monotonic()))


def _judge(scene: Scene, switches: Sequence[Switch], trickle: Trickle, sink: Sink) -> None:
    expected = {(f"/{s.name}", e.message_id): s.expects(e) for s in switches for e in trickle.events}
    wanted = {place for place, is_owed in expected.items() if is_owed}

    def arrived() -> dict[Place, float]:
        return arrivals.done(list(sink.arrivals))

    try:
        eventually(lambda: wanted <= arrived().keys(), "what was connected")
    except NotSo:
        scene.complain(f"{len(wanted - arrived().keys())} of {len(wanted)} did not arrive where they were connected")
    came, at = list(sink.arrivals), arrived()
    passed_over = [place for switch in switches for place in _passed_over(switch, trickle, at)]
    for number, what in (
        (len(came) - len(at), "arrived again where they had arrived"),
        (sum(expected.get(place) is False for place in at), "arrived where they were not connected"),
        (len(arrivals.out_of_order(came, trickle.users)), "arrived out of order"),
        (len(passed_over), "never arrived where later ones of their user did"),
    ):
        if number:
            scene.complain(f"{number} {what}")
    kinds = [sum(1 for value in expected.values() if value is kind) for kind in (True, False, None)]
    if not kinds[0] or not kinds[1]:
        scene.complain("nothing was owed, or everything: that proves nothing")
    made, deleted, cut = len(switches), sum(s.is_deleted for s in switches), sum(len(s.cut) for s in switches)
    scene.note(f"{sum(len(s.changes) for s in switches)} changes, {made} made, {deleted} deleted, {cut} connected anew")
    scene.note(f"{kinds[0]} owed, {kinds[1]} not, {kinds[2]} either")


def _passed_over(switch: Switch, trickle: Trickle, at: dict[Place, float]) -> Iterator[Place]:
    lives = range(len(switch.cut) + 1)
    owed = [[e for e in events if switch.owes(e) and switch.life(e) == n] for events in trickle.users for n in lives]
    return arrivals.passed_over(f"/{switch.name}", owed, at)


def _accounts(scene: Scene, key: str) -> None:
    """Every connection's terms must add up."""

    def open_ones() -> list[str]:
        rows = json.loads(scene.stack.manage("status", "--json"))["connections"]
        ours = [row for row in rows if row["source"] == key]
        return [row["destination"] for row in ours if row["difference"] or row["pending"]]

    try:
        eventually(lambda: not open_ones(), "connections that add up", 30)
    except NotSo:
        scene.complain(f"terms do not add up at {', '.join(open_ones())}")


DRILLS: Sequence[Drill] = (
    Drill(
        "config",
        "destinations and connections switched, made, deleted, made anew",
        change,
        15,
        plan=Plan(seconds=45, rate=50),
        goes_on=True,
    ),
)
