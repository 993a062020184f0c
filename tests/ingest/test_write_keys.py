"""Write keys: two are valid for a while, none names two sources, and an old one ends by itself."""

import time
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.db.models.functions import Now

from ingest.config import ConfigUnavailable, SourceCache
from ingest.keys import end_previous, rotate
from ingest.models import Source

DAY = timedelta(days=1)


@pytest.fixture
def web(committed: None) -> Source:
    return Source.objects.create(name="web", write_key="old")


def valid(*keys: str) -> list[str]:
    """Which of these keys a process that has just started accepts."""
    cache = SourceCache()
    return [key for key in keys if cache.get(key)]


def test_after_a_change_both_keys_name_the_source(web: Source) -> None:
    new = rotate(web.pk, "old", DAY, "ada")
    assert new
    cache = SourceCache()
    assert cache.get(new) == cache.get("old")
    assert cache.get("neither") is None


def test_a_running_process_learns_of_the_new_key(web: Source) -> None:
    cache = SourceCache()
    assert cache.get("old")
    new = rotate(web.pk, "old", DAY, "ada")
    assert cache.get(str(new))


def test_who_waits_in_vain_for_others_that_read_goes_by_what_they_read(
    web: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when many clients come at once with a key that is new, on a machine that is busy."""
    cache = SourceCache()
    assert cache.get("old")
    new = rotate(web.pk, "old", DAY, "ada")

    def refresh(force: bool = False) -> bool:
        if force:
            cache._read()  # by somebody else, who took longer than we wait for our turn
        return not force

    monkeypatch.setattr(cache, "_refresh", refresh)
    assert cache.get(str(new))
    with pytest.raises(ConfigUnavailable):
        cache.get("neither")


def test_what_could_not_be_read_at_the_start_is_read_for_the_first_who_asks(
    web: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away for the moment in which the process started: no reason to refuse for the second after."""
    cache = SourceCache()

    def away() -> None:
        raise OperationalError

    with monkeypatch.context() as outage:
        outage.setattr(cache, "_read", away)
        with pytest.raises(ConfigUnavailable):
            cache.get("old")
    assert cache.get("old")


def test_a_previous_key_ends_by_itself_also_in_a_process_that_knew_it(
    web: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate(web.pk, "old", timedelta(hours=1), "ada")
    cache = SourceCache()
    assert cache.get("old")
    now = time.monotonic()
    monkeypatch.setattr("ingest.config.time.monotonic", lambda: now + 3700)
    assert cache.get("old") is None


def test_a_previous_key_that_has_ended_is_not_accepted(web: Source) -> None:
    new = rotate(web.pk, "old", DAY, "ada")
    Source.objects.update(previous_key_valid_until=Now() - timedelta(seconds=1))
    assert valid("old", str(new)) == [new]


def test_a_previous_key_is_ended_by_hand_once(web: Source) -> None:
    new = rotate(web.pk, "old", DAY, "ada")
    assert end_previous(web.pk, "ada")
    assert not end_previous(web.pk, "ada")
    assert valid("old", str(new)) == [new]


def test_of_two_who_change_the_same_key_one_is_told(web: Source) -> None:
    assert rotate(web.pk, "old", DAY, "ada")
    assert rotate(web.pk, "old", DAY, "bob") is None


def test_changing_again_ends_the_key_before_the_previous_one(web: Source) -> None:
    second = str(rotate(web.pk, "old", DAY, "ada"))
    third = str(rotate(web.pk, second, DAY, "ada"))
    assert valid("old", second, third) == [second, third]


def test_no_key_names_two_sources_whichever_column_it_is_in(web: Source) -> None:
    rotate(web.pk, "old", DAY, "ada")
    with pytest.raises(IntegrityError), transaction.atomic():
        Source.objects.create(name="app", write_key="old")
    app = Source.objects.create(name="app", write_key="app")
    with pytest.raises(IntegrityError), transaction.atomic():
        Source.objects.filter(pk=app.pk).update(previous_write_key="old", previous_key_valid_until=Now())
    end_previous(web.pk, "ada")
    assert Source.objects.create(name="third", write_key="old")


def test_a_source_that_goes_back_to_its_previous_key_keeps_it(web: Source) -> None:
    rotate(web.pk, "old", timedelta(seconds=0), "ada")
    Source.objects.filter(pk=web.pk).update(write_key="old")
    assert valid("old") == ["old"]
