"""Who hears of many things at once hears once, and finds them all."""

import pytest
from django.test import Client

from identities.models import User
from reviews import actions, independence
from reviews.actions import attention, second_looks
from reviews.models import FAST, Case, Notice, Provisional

from .conftest import HOUR, NOW, Told, make_user
from .hurry import SECOND, answer, kept, lines
from .test_attention import other

__all__ = ["other"]
pytestmark = pytest.mark.django_db


def hasten(case: Case, other: Case, story: Told) -> None:
    """Fifty answers of Ines at once, in two reviews."""
    kept(other, story.ines, 20, at=NOW)
    kept(case, story.ines, 29, at=NOW + 10 * SECOND)
    answer(case, lines(case, 1)[0], story.ines, now=NOW + 20 * SECOND)


def test_one_burst_in_two_reviews_is_one_mail(story: Told, case: Case, other: Case) -> None:
    hasten(case, other, story)
    while actions.tell_provisional_next(now=NOW + HOUR):
        pass
    told = Notice.objects.filter(subject__contains="very fast", channel="mail")
    assert sorted((row.person.name, row.subject) for row in told if row.person) == [
        ("Leila", f"2 reviews: {FAST}"),
        ("Marek", f"{case.key}: {FAST}"),
    ]
    assert {row.body.rpartition("/cases/")[2] for row in told} == {
        "?again=mine\n",
        f"{case.key}/\n",
    }


@pytest.mark.parametrize("who", ["rita", "samuel", "leila", "marek", "ines", "otto", "noor"])
def test_second_looks_that_wait_are_those_that_may_be_taken(
    story: Told, case: Case, other: Case, who: str
) -> None:
    user: User = make_user("noor", "owner") if who == "noor" else getattr(story, who)
    assert not second_looks.waiting_for(user, now=NOW).exists()
    hasten(case, other, story)
    may = {
        one.pk
        for one in (case, other)
        if not independence.why_not_look_again(user, one, attention.standing(one), now=NOW)
    }
    assert set(second_looks.waiting_for(user, now=NOW).values_list("pk", flat=True)) == may
    assert bool(may) is (who in ("rita", "samuel", "leila", "marek"))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    for page in ("/", "/queue/"):
        text = client.get(page).content.decode()
        assert ("/cases/?again=mine" in text) is bool(may)
    rows = client.get("/cases/?again=mine").content.decode()
    assert all((f'href="/cases/{one.key}/"' in rows) is (one.pk in may) for one in (case, other))


def test_what_was_looked_at_waits_no_more(story: Told, case: Case, other: Case) -> None:
    hasten(case, other, story)
    Provisional.objects.filter(case=other).update(settled_at=NOW)
    assert list(second_looks.waiting_for(story.rita, now=NOW)) == [case]
    Case.objects.filter(pk=case.pk).update(sealed=True)
    assert not second_looks.waiting_for(story.rita, now=NOW).exists()
