"""The configuration is changed under load, every few hundred milliseconds.

What was connected when an event was accepted decides where it arrives.

The judge knows only what a client knows: when a change was asked for and answered, and an event sent and acknowledged.
"""

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from destinations.oracle.sink import Sink
from drills.api import Api
from drills.drill import Drill
from drills.load import Plan
from drills.scene import REST_SECONDS, Scene
from drills.stack import NotSo, eventually
from drills.trickle import Sent, trickling

SWITCHED = 4
EVERY_SECONDS = 0.15


@dataclass
class Switch:
    """One connection that is switched on and off. `changes`: on or off, when asked for, when answered."""

    name: str
    connection: int
    changes: list[tuple[bool, float, float]] = field(default_factory=list)

    def expects(self, event: Sent) -> bool | None:
        """Whether the event must arrive (True) or must not (False); None if a change was under way meanwhile."""
        before = [change for change in self.changes if change[1] < event.ended]
        if not before or before[-1][2] > event.began:
            return None
        return before[-1][0]


def change(scene: Scene) -> None:
    """Connections switched, destinations made, disabled and enabled, while events come in."""
    key = f"config-{uuid.uuid4().hex[:6]}"
    api = Api(scene.stack, key)
    source = api.post("sources", name=key)
    with Sink() as sink:
        switches = [_connected(api, source["id"], f"{key}-{number}", sink) for number in range(SWITCHED)]
        scene.recovering()
        with trickling(scene.stack, source["write_key"], every_seconds=0.02) as trickle:
            while scene.left > REST_SECONDS:
                _one_change(scene, api, source["id"], f"{key}-new", sink, switches)
                scene.pause(EVERY_SECONDS * scene.chance.uniform(0.5, 1.5))
        for switch in switches:
            _turn(api, switch, True)  # what is owed goes out
        _judge(scene, switches, trickle.events, sink)
    _accounts(scene, key)


def _connected(api: Api, source: int, name: str, sink: Sink) -> Switch:
    config = {"webhookUrl": f"http://127.0.0.1:{sink.port}/{name}"}
    began = time.monotonic()
    destination = api.post("destinations", name=name, type="webhook", config=config)
    connection = api.post("connections", source=source, destination=destination["id"])
    return Switch(name, connection["id"], [(True, began, time.monotonic())])


def _turn(api: Api, switch: Switch, on: bool) -> None:
    began = time.monotonic()
    api.patch(f"connections/{switch.connection}", enabled=on)
    switch.changes.append((on, began, time.monotonic()))


def _one_change(scene: Scene, api: Api, source: int, prefix: str, sink: Sink, switches: list[Switch]) -> None:
    """Mostly a switch; now and then a new destination."""
    if len(switches) < 4 * SWITCHED and scene.chance.random() < 0.1:
        switches.append(_connected(api, source, f"{prefix}-{len(switches)}", sink))
        return
    switch = scene.chance.choice(switches)
    _turn(api, switch, not switch.changes[-1][0])


def _judge(scene: Scene, switches: Sequence[Switch], events: Sequence[Sent], sink: Sink) -> None:
    expected = {(s.name, e.message_id): s.expects(e) for s in switches for e in events}
    wanted = {place for place, is_owed in expected.items() if is_owed}

    def arrived() -> set[tuple[str, str]]:
        return {(arrival.path.strip("/"), arrival.message_id) for arrival in list(sink.arrivals)}

    try:
        eventually(lambda: wanted <= arrived(), "what was connected")
    except NotSo:
        scene.complain(f"{len(wanted - arrived())} of {len(wanted)} did not arrive where they were connected")
    if extra := [place for place in arrived() if expected.get(place) is False]:
        scene.complain(f"{len(extra)} arrived where they were not connected")
    kinds = [sum(1 for value in expected.values() if value is kind) for kind in (True, False, None)]
    scene.note(f"{sum(len(s.changes) for s in switches)} changes; {kinds[0]} owed, {kinds[1]} not, {kinds[2]} either")


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
    Drill("config", "connections switched and made every few hundred ms", change, 20, plan=Plan(seconds=45, rate=50)),
)
