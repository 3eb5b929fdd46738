"""From names to ids: made once, parents first, remembered only when committed."""

from collections.abc import Callable
from threading import Barrier, Thread

import pytest
from django.db import connection, transaction

from evidence import names
from evidence.formats.record import ActorName
from evidence.models import Actor, Term
from evidence.names import actor_ids, memory, plain, term_ids
from tests.evidence.conftest import NOW

USER = ActorName("aws:1", "arn", "arn:aws:iam::1:user/a")
KEY = ActorName("aws", "access_key", "ASIA1", USER)
BARE = ActorName("aws", "access_key", "ASIA1")


@pytest.mark.django_db
def test_parents_are_made_before_their_children() -> None:
    ids = actor_ids({KEY}, now=NOW)
    child = Actor.objects.get(pk=ids[KEY])
    assert child.parent is not None
    assert (child.value, child.parent.value) == ("ASIA1", "arn:aws:iam::1:user/a")


@pytest.mark.django_db
@pytest.mark.parametrize("order", [(BARE, KEY), (KEY, BARE)])
def test_parent_is_set_once_it_is_known_and_stays(order: tuple[ActorName, ...]) -> None:
    ids = [actor_ids({name}, now=NOW)[name] for name in order]
    assert len(set(ids)) == 1
    parent = Actor.objects.get(pk=ids[0]).parent
    assert parent is not None
    assert parent.value == USER.value
    other = KEY._replace(parent=ActorName("aws:1", "arn", "arn:aws:iam::1:user/b"))
    actor_ids({other}, now=NOW)
    assert Actor.objects.get(pk=ids[0]).parent_id == parent.pk


@pytest.mark.django_db
def test_name_with_and_without_a_parent_in_one_body_is_one_actor() -> None:
    ids = actor_ids({KEY, BARE}, now=NOW)
    assert ids[KEY] == ids[BARE]
    assert Actor.objects.get(pk=ids[KEY]).parent_id is not None


@pytest.mark.django_db
def test_known_names_cost_no_query(
    django_assert_num_queries: Callable[..., object],
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]  # a context manager
        before = actor_ids({KEY}, now=NOW), term_ids({(Term.ACTION, "s3:GetObject")})
    with django_assert_num_queries(0):  # type: ignore[attr-defined]  # a context manager
        after = actor_ids({KEY}, now=NOW), term_ids({(Term.ACTION, "s3:GetObject")})
    assert after == before


class Undone(Exception):
    """Takes the transaction back."""


@pytest.mark.django_db(transaction=True)
def test_names_of_a_transaction_that_was_taken_back_are_not_remembered() -> None:
    def outside() -> None:
        with transaction.atomic():
            actor_ids({KEY}, now=NOW)
            term_ids({(Term.ACTION, "s3:GetObject")})
            raise Undone

    with pytest.raises(Undone):
        outside()
    assert (memory.actors, memory.terms, Actor.objects.count()) == ({}, {}, 0)
    ids = actor_ids({KEY}, now=NOW)
    assert Actor.objects.filter(pk=ids[KEY]).count() == 1


@pytest.mark.django_db(transaction=True)
def test_memory_that_is_full_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_REMEMBERED", 3)
    many = [ActorName("aws:1", "arn", f"arn-{number}") for number in range(20)]
    first = {name: actor_ids({name}, now=NOW)[name] for name in many}
    assert actor_ids(set(many), now=NOW) == first
    assert len(memory.actors) <= 24


@pytest.mark.django_db(transaction=True)
def test_same_new_names_from_many_threads_are_made_once() -> None:
    wanted = {ActorName("aws:1", "arn", f"arn-{number}") for number in range(200)}
    words = {(Term.RESOURCE, f"bucket-{number}") for number in range(200)}
    start = Barrier(6)
    found: list[tuple[dict[ActorName, int], dict[tuple[int, str], int]]] = []

    def work() -> None:
        try:
            start.wait(60)
            found.append((actor_ids(wanted, now=NOW), term_ids(words)))
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 6
    assert [one for one in found if one != found[0]] == []
    assert (Actor.objects.count(), Term.objects.count()) == (200, 200)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("plain", "plain"), ("a\0b", r"a\u0000b"), ("é", "é"), ("\ud800", r"\ud800"), ("", "")],
)
def test_plain_text_is_what_the_database_can_hold(text: str, kept: str) -> None:
    assert plain(text) == kept
