"""Which repeats a fault explains, and which not."""

from destinations import link
from drills import blows
from drills.blows import NOTICE_SECONDS, UNCHECKPOINTED, UNNOTED_SECONDS, Blow, unexplained
from rudderproj import env


def test_the_bound_is_what_the_settings_let_links_send_between_checkpoints() -> None:
    known = env.read({})

    assert (link.CHECKPOINT_EVENTS, known["FORWARD_CONCURRENCY"], known["FORWARD_SHARE"]) == (
        blows.CHECKPOINT_EVENTS,
        blows.IN_FLIGHT,
        blows.LINKS,
    )


def test_what_was_sent_just_before_a_blow_or_while_it_lasted_is_explained_and_nothing_else() -> None:
    early, late = 100 - UNNOTED_SECONDS, 110 + NOTICE_SECONDS

    assert unexplained([early, 100, 105, 110, late], [Blow(100, 110)]) == []
    assert unexplained([early - 0.1, late + 0.1], [Blow(100, 110)]) == [early - 0.1, late + 0.1]
    assert unexplained([105], []) == [105]


def test_a_blow_explains_so_many_and_the_next_one_as_many_again() -> None:
    sent = [99.0] * (2 * UNCHECKPOINTED + 1)

    assert unexplained(sent, [Blow(100, 100), Blow(100, 100)]) == [99.0]
    assert unexplained([1.0] * 3, [Blow(2, 2, most=2)]) == [1.0]
