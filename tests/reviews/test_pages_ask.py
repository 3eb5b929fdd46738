"""Pages that decide ask who one is: nothing is done before, and what was sent is done afterwards."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from evidence.models import Deposit, Source
from identities.models import Finding
from identities.permissions import AUDITOR
from reviews import actions
from reviews.actions import freezing
from reviews.models import Case, Quarantine, Rung

from .acts_over_api import ada
from .conftest import DAY, NOW, Told, item_of, make_user, record, seat_of
from .test_held import hold
from .test_pages import PASSWORD, answered, as_user
from .test_refused_first import frozen

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]


class Page(NamedTuple):
    who: str
    address: str
    form: dict[str, Any]
    look: Callable[[], Any]
    becomes: Any


def _case(story: Told) -> Case:
    return actions.open_review(
        identity=story.identity, by=story.rita, now=timezone.now(), reason="yearly"
    )


def hand_over(story: Told) -> Page:
    case = _case(story)
    seat = seat_of(case, "identity_owner")
    form = {"seat": seat.pk, "to": "marek", "reason": "on leave", "version": case.version}
    return Page(
        "ines",
        f"/cases/{case.key}/hand-over/",
        form,
        lambda: str(seat_of(case, "identity_owner").party),
        "Marek",
    )


def restore(story: Told) -> Page:
    case = _case(story)
    item = item_of(case, "delegation")
    Quarantine.objects.create(
        case=case, item=item, identity=story.identity, since=NOW, until=NOW + DAY
    )
    return Page(
        "ines",
        f"/cases/{case.key}/restore/",
        {"item": item.pk},
        lambda: Quarantine.objects.get().state,
        "restored",
    )


def held_drop(story: Told) -> Page:
    case = _case(story)
    (row,) = hold(case, "suspend")
    form = {"rung": [row.pk], "reason": "they were ill"}
    look = lambda: Rung.objects.get(pk=row.pk).state  # noqa: E731 - as the others
    return Page("rita", f"/cases/{case.key}/held/drop/", form, look, "dropped")


def several_drop(story: Told) -> Page:
    return held_drop(story)._replace(address="/releases/drop/")


def finding(story: Told) -> Page:
    row = Finding.objects.create(
        identity=story.identity, rule="no_run", strength=1, words="w",
        first_at=NOW, last_at=NOW, opened_at=NOW, state_at=NOW,
    )  # fmt: skip
    row.refresh_from_db()
    look = lambda: Finding.objects.get(pk=row.pk).state  # noqa: E731 - as the others
    form = {"disposition": "confirmed", "reason": "seen"}
    return Page("rita", f"/findings/{row.key}/dispose/", form, look, "confirmed")


def freeze_end(story: Told) -> Page:
    row = freezing.sign(freeze=frozen(story), by=ada(), now=NOW)
    look = lambda: type(row).objects.get(pk=row.pk).state  # noqa: E731 - as the others
    return Page("rita", f"{row.url}end/", {"reason": "over"}, look, "ended")


PAGES = (hand_over, restore, held_drop, several_drop, finding, freeze_end)


@pytest.mark.parametrize("of", PAGES)
def test_it_is_done_once_they_have_confirmed_who_they_are(
    story: Told, as_user: SignIn, of: Callable[[Told], Page]
) -> None:
    one = of(story)
    client = as_user(getattr(story, one.who), confirmed=False)
    asks = client.post(one.address, one.form)
    assert asks["Location"].split("?")[0] == "/accounts/reauthenticate/"
    assert one.look() != one.becomes
    done = client.post(asks["Location"], {"password": PASSWORD})
    assert (done.status_code in (200, 302), one.look()) == (True, one.becomes), done.content


@pytest.mark.parametrize("of", PAGES)
def test_an_auditor_is_told_so_and_not_asked(
    story: Told, as_user: SignIn, of: Callable[[Told], Page]
) -> None:
    one = of(story)
    answer = as_user(story.otto, confirmed=False).post(one.address, one.form)
    assert (answer.status_code, AUDITOR in answer.content.decode()) == (403, True)


def test_a_file_is_not_kept_and_sent_again_by_its_person(story: Told, as_user: SignIn) -> None:
    dora = make_user("dora", "administrator")
    Source.objects.create(name="lists", created_at=NOW, created_by=dora.ref)
    client = as_user(dora, confirmed=False)
    body = json.dumps({"Records": [record(90, "GetObject", "hr/salaries.csv", NOW)]}).encode()
    sent: dict[str, Any] = {"file": SimpleUploadedFile("a.json", body)}
    asks = client.post("/sources/lists/drop/", sent)
    assert asks["Location"] == "/accounts/reauthenticate/?next=%2Fsources%2Flists%2Fdrop%2F"
    assert "files are not kept" in client.get(asks["Location"]).content.decode()
    # What a script of the page sends is told so in its own words.
    sent = {"file": SimpleUploadedFile("a.json", body)}
    said = client.post("/sources/lists/drop/", sent, headers={"Accept": "application/json"})
    assert (said.status_code, said.json()["problem"].startswith("Confirm who")) == (403, True)
    assert not Deposit.objects.filter(source__name="lists").exists()
