"""Telling a failing destination from a failing user. Pure."""

from destinations.breaker import Streak, Verdict, probe_delay_seconds


def test_three_users_failing_without_a_success_open_the_breaker() -> None:
    streak = Streak()
    for user in ("a", "b", "a", "b"):
        streak.failed(user, connected=True)
    assert streak.verdict() is Verdict.USER
    streak.failed("c", connected=True)
    assert streak.verdict() is Verdict.OPEN


def test_one_user_that_does_not_connect_three_times_opens_the_breaker() -> None:
    streak = Streak()
    for _ in range(3):
        assert streak.verdict() is Verdict.USER
        streak.failed("a", connected=False)
    assert streak.verdict() is Verdict.OPEN


def test_three_refused_users_hold_rather_than_open() -> None:
    streak = Streak()
    for user in ("a", "b", "c"):
        streak.failed(user, connected=True)
        streak.refuse(user)
    assert streak.verdict() is Verdict.HOLD


def test_a_success_ends_the_streak() -> None:
    streak = Streak()
    for user in ("a", "b"):
        streak.failed(user, connected=False)
        streak.refuse(user)
    streak.succeeded()
    assert streak == Streak()


def test_a_streak_goes_on_in_the_next_link_and_stays_small() -> None:
    streak = Streak()
    for user in range(100):
        streak.failed(str(user), connected=False)
    assert streak.as_json() == {"users": ["0", "1", "10"], "refused": [], "unreachable": 3}
    assert Streak.stored(streak.as_json()).verdict() is Verdict.OPEN
    assert Streak.stored({}) == Streak()


def test_probes_come_less_and_less_often_but_every_minute_at_least() -> None:
    assert [probe_delay_seconds(n) for n in (0, 1, 5, 6, 5000)] == [1, 2, 32, 60, 60]
