"""Which repeats a fault explains, and which not."""

from destinations import errand
from drills import blows
from drills.blows import (
    DEAD_UNNOTED_SECONDS,
    NOTICE_SECONDS,
    ON_THE_WIRE_SECONDS,
    UNCHECKPOINTED,
    UNNOTED_SECONDS,
    Blow,
    Repeat,
    unexplained,
)
from rudderproj import env


def test_the_bound_is_what_the_settings_let_links_send_between_checkpoints() -> None:
    known = env.read({})

    assert (errand.CHECKPOINT_EVENTS, known["FORWARD_CONCURRENCY_MOST"], known["FORWARD_SHARE"]) == (
        blows.CHECKPOINT_EVENTS,
        blows.IN_FLIGHT,
        blows.LINKS,
    )


def sent(*moments: float) -> list[Repeat]:
    """Each an event of its own, which came again at some time."""
    return [Repeat(number, moment) for number, moment in enumerate(moments)]


def steady(began: float, ended: float, times: int = 2) -> list[Repeat]:
    """A hundred events a second, each delivered so many times, five seconds apart: others need as long to take over."""
    moments = [began + number / 100 for number in range(int(100 * (ended - began)))]
    return [Repeat(at, at + 5 * n, at + 5 * (n + 1)) for at in moments for n in range(times - 1)]


def test_what_was_sent_just_before_a_blow_or_while_it_lasted_is_explained_and_nothing_else() -> None:
    early, late = 100 - UNNOTED_SECONDS, 110 + NOTICE_SECONDS

    assert unexplained(sent(early, 100, 105, 110, late), [Blow(100, 110)]) == []
    assert [one.sent for one in unexplained(sent(early - 0.1, late + 0.1), [Blow(100, 110)])] == [
        early - 0.1,
        late + 0.1,
    ]
    assert unexplained(sent(105), []) == sent(105)


def test_a_blow_explains_so_many_and_the_next_one_as_many_again() -> None:
    many = sent(*[99.0] * (2 * UNCHECKPOINTED + 1))

    assert len(unexplained(many, [Blow(100, 100), Blow(100, 100)])) == 1
    assert len(unexplained(sent(*[1.0] * 3), [Blow(2, 2, most=2)])) == 1


def test_of_the_dead_no_blow_explains_what_was_sent_later_or_long_before() -> None:
    dead = Blow(100, 100, before=DEAD_UNNOTED_SECONDS, after=ON_THE_WIRE_SECONDS)

    assert unexplained(sent(99.5, 100.2), [dead]) == []
    assert [one.sent for one in unexplained(sent(99.4, 100.3, 101), [dead])] == [99.4, 100.3, 101]


def test_what_came_again_before_a_blow_is_not_its_doing() -> None:
    early, since = Repeat("a", 99.2, 99.5), Repeat("b", 99.2, 100.5)

    assert unexplained([early, since], [Blow(100, 100)]) == [early]
    assert unexplained([since], [Blow(90, 110, again_from=110)]) == [since]


def test_a_blow_explains_a_single_repeat_of_an_event() -> None:
    thrice = [Repeat("a", 99.8, 100.2), Repeat("a", 100.2, 100.4)]

    assert unexplained(thrice, [Blow(100, 100)]) == thrice[1:]
    assert unexplained(thrice, [Blow(100, 100), Blow(100.3, 100.3)]) == []


def test_repeated_blows_do_not_explain_that_everything_comes_twice_or_thrice() -> None:
    kills = [Blow(10 + 1.6 * n, 10 + 1.6 * n, after=ON_THE_WIRE_SECONDS) for n in range(18)]
    ended = [Blow(10 + 2.5 * n, 10 + 2.5 * n) for n in range(14)]

    for times in (2, 3):
        assert len(unexplained(steady(10, 30, times), kills)) > 100
        assert len(unexplained(steady(10, 30, times), ended)) > 100


def test_the_blow_whose_time_is_over_first_is_used_first() -> None:
    repeats = [Repeat("a", 99.5), Repeat("b", 101.5)]

    assert unexplained(repeats, [Blow(100, 101, most=1), Blow(99, 100, most=1)]) == []
