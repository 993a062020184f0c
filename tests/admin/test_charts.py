"""Charts: coordinates from values, gaps where there are none, axes that people can read."""

from datetime import UTC, datetime, timedelta

import pytest

from rudderproj.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Series, line_chart, nice_step

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def times(count: int) -> list[datetime]:
    return [START + timedelta(minutes=number) for number in range(count)]


def test_a_line_goes_from_the_left_edge_to_the_right_and_from_zero_to_the_top() -> None:
    chart = line_chart("x", times(3), [Series("a", [0, 5, 10])], str, 10)
    (line,) = chart.lines
    assert line.paths == [f"M{LEFT},{HEIGHT - BOTTOM} L{(LEFT + WIDTH - RIGHT) / 2:g},103 L{WIDTH - RIGHT},{TOP}"]
    assert [tick.text for tick in chart.values] == ["0.0", "5.0", "10.0"]
    assert line.last == "10"


def test_a_gap_breaks_the_line() -> None:
    (line,) = line_chart("x", times(5), [Series("a", [1, 1, None, 1, 1])], str).lines
    assert len(line.paths) == len(line.areas) == 2
    (nothing,) = line_chart("x", times(2), [Series("a", [None, None])], str).lines
    assert (nothing.paths, nothing.last) == ([], "–")


@pytest.mark.parametrize(
    ("raw", "step"), [(1, 1), (1.01, 2), (2.5, 5), (6, 10), (10, 10), (130, 200), (0.3, 0.5), (0.02, 0.02)]
)
def test_steps_are_round(raw: float, step: float) -> None:
    assert nice_step(raw) == pytest.approx(step)


def test_every_value_is_inside_the_picture() -> None:
    values = [float(n * n % 977) for n in range(120)]
    chart = line_chart("x", times(120), [Series("a", values)], str)
    for point in chart.lines[0].paths[0].removeprefix("M").split(" L"):
        x, y = map(float, point.split(","))
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP <= y <= HEIGHT - BOTTOM
    assert len(chart.times) == 6
