"""Line charts as SVG coordinates: no script draws them, so they need none. Pure.

Must know nothing of what is drawn.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 26  # margins for the labels
GRID_LINES = 4
TIME_LABELS = 6


@dataclass(frozen=True, slots=True)
class Series:
    """One line: a value, or None for a gap, for each time."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis, and where."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A series to draw: `paths` for its unbroken parts, `areas` for what is below them."""

    name: str
    number: int  # from 1: its colour
    paths: list[str]
    areas: list[str]
    last: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything a template draws, in units of a WIDTH x HEIGHT picture."""

    title: str
    lines: list[Line]
    values: list[Tick]
    times: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def line_chart(
    title: str, times: Sequence[datetime], series: Sequence[Series], show: Callable[[float], str], least_top: float = 1
) -> Chart:
    """The chart of these series over these times (at least two, rising). The value axis begins at 0."""
    start, end = times[0].timestamp(), times[-1].timestamp()
    xs = [LEFT + (time.timestamp() - start) / (end - start) * (WIDTH - LEFT - RIGHT) for time in times]
    most = max((value for one in series for value in one.values if value is not None), default=0)
    step = nice_step(max(most, least_top) / GRID_LINES)
    top = step * math.ceil(max(most, least_top) / step)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    lines = [_line(one, number, xs, y, show) for number, one in enumerate(series, start=1)]
    values = [Tick(round(y(n * step), 1), show(n * step)) for n in range(round(top / step) + 1)]
    return Chart(title, lines, values, list(_time_ticks(times, xs)))


def nice_step(raw: float) -> float:
    """The next of 1, 2, 5, 10, 20, … (or 0.1, 0.2, …) that is not below."""
    power = float(10 ** math.floor(math.log10(raw)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))


def _line(
    one: Series, number: int, xs: Sequence[float], y: Callable[[float], float], show: Callable[[float], str]
) -> Line:
    parts: list[list[tuple[float, float]]] = [[]]
    for x, value in zip(xs, one.values, strict=True):
        if value is None:
            parts.append([])
        else:
            parts[-1].append((round(x, 1), round(y(value), 1)))
    paths = [part for part in parts if part]
    drawn = ["M" + " L".join(f"{x:g},{height:g}" for x, height in part) for part in paths]
    floor = round(y(0), 1)
    areas = [
        f"{path} L{part[-1][0]:g},{floor:g} L{part[0][0]:g},{floor:g} Z"
        for path, part in zip(drawn, paths, strict=True)
    ]
    last = next((value for value in reversed(one.values) if value is not None), None)
    return Line(one.name, number, drawn, areas, "–" if last is None else show(last))


def _time_ticks(times: Sequence[datetime], xs: Sequence[float]) -> Iterator[Tick]:
    """A handful of times, evenly spaced, not too close to the edges."""
    count = min(TIME_LABELS, len(times))
    for number in range(count):
        index = round((number + 0.5) * (len(times) - 1) / count)
        yield Tick(round(xs[index], 1), f"{times[index]:%H:%M}")
