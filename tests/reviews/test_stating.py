"""Stating that something was done by hand: who may, what shows it, and when it counts."""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from evidence import proofs
from evidence.models import Deposit, LedgerEntry
from identities.actions.revocations import stating
from identities.models import Identity, Revocation, Statement, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, shares
from reviews.actions.stating import two_needed

from .conftest import DAY, HOUR, NOW, Told, make_user
from .failed_rows import PNG, waits
from .test_pages import PASSWORD, as_user

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]


@pytest.fixture
def alone(story: Told) -> Identity:
    """An identity that belongs to no AI system: one person is enough."""
    Identity.objects.filter(pk=story.identity.pk).update(service=None)
    return Identity.objects.get(pk=story.identity.pk)


@pytest.fixture
def rex(db: None) -> User:
    return make_user("rex", "responder")


def state(row: Revocation, by: User, *, now: datetime = NOW, **said: Any) -> Statement:
    told: dict[str, Any] = {
        "done_by": "Olga of acme",
        "done_at": now - HOUR,
        "note": "uninstalled it, see the picture",
        "file": stating.File("shot.png", PNG),
        "two_needed": False,
    }
    return stating.state(revocation=row, by=by, now=now, **told | said)


def test_one_person_is_enough_where_no_seats_say_otherwise(alone: Identity, rex: User) -> None:
    row = waits(alone, now=NOW)
    assert two_needed(row) is False
    made = state(row, rex)
    row.refresh_from_db()
    assert (row.state, row.effective_at, row.failed_why, row.stated) == ("effective", NOW, "", True)
    assert (made.state, made.counted_at, made.look_at) == (
        "stands",
        NOW,
        NOW + timedelta(minutes=1),
    )
    said = LedgerEntry.objects.filter(data__revocation=row.key).order_by("pk")
    assert list(said.values_list("act", flat=True)) == ["revocation.stated", "revocation.effective"]
    assert {one.data["sha256"] for one in said} == {sha256(PNG).hexdigest()}


def test_two_persons_where_the_identity_belongs_to_an_ai_system(story: Told, rex: User) -> None:
    row = waits(story.identity, now=NOW)
    assert two_needed(row) is True
    state(row, rex, two_needed=True)
    row.refresh_from_db()
    assert (row.state, row.stated) == ("failed", False)
    with pytest.raises(NotAllowed, match="You stated it: a second person signs"):
        stating.sign(revocation=row, by=rex, now=NOW)
    second = User.objects.create(username="rex-2", person=rex.person)
    second.groups.set(rex.groups.all())
    with pytest.raises(NotAllowed, match="You stated it"):
        stating.sign(revocation=row, by=second, now=NOW)
    stating.sign(revocation=row, by=story.ines, now=NOW + HOUR)
    row.refresh_from_db()
    assert (row.state, row.effective_at, row.stated) == ("effective", NOW + HOUR, True)


def test_case_with_two_seats_needs_two_and_with_one_seat_one(story: Told) -> None:
    case = actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")
    row = waits(story.identity, now=NOW, case=case.pk, case_key=case.key)
    assert (case.seats.count() > 1, two_needed(row)) == (True, True)
    case.seats.exclude(kind="identity_owner").delete()
    assert two_needed(row) is False


def test_no_path_lets_one_person_sign_for_two(story: Told, rex: User) -> None:
    made = state(waits(story.identity, now=NOW), rex, two_needed=True)
    with pytest.raises(IntegrityError, match="statement_by_two_persons"), transaction.atomic():
        Statement.objects.filter(pk=made.pk).update(
            state="stands", counted_at=NOW, settled_person=rex.person
        )


def test_refused_it_waits_as_before_and_may_be_stated_again(story: Told, rex: User) -> None:
    row = waits(story.identity, now=NOW)
    state(row, rex, two_needed=True)
    with pytest.raises(NotPossible, match="Somebody has stated it"):
        state(row, story.ines, two_needed=True)
    done = stating.refuse(
        revocation=row, reason="the picture is of another App", by=story.ines, now=NOW
    )
    row.refresh_from_db()
    assert (done.state, row.state) == ("refused", "failed")
    with pytest.raises(NotAllowed, match="No statement waits"):
        stating.refuse(revocation=row, reason="x", by=story.ines, now=NOW)
    assert state(row, rex, two_needed=True).state == "proposed"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"done_by": " "}, "Say who did it"),
        ({"note": ""}, "Say what was done, and how you know"),
        ({"done_at": NOW + HOUR}, "not in the future"),
        ({"done_at": NOW - 400 * DAY}, "within the last year"),
        ({"file": None}, "nothing is believed without"),
        ({"file": stating.File("x.png", b"")}, "The file is empty"),
        ({"file": stating.File("x.svg", b"<svg onload=alert(1)>")}, "that a browser runs"),
        ({"file": stating.File("x.png", b"\n <!DOCTYPE html><p>")}, "that a browser runs"),
        ({"file": stating.File("x.txt", b"\xff\xfe\0bad")}, "neither a picture nor a text"),
        ({"file": stating.File("x.txt", b"a" * (proofs.LARGEST + 1))}, "larger than 5 MiB"),
    ],
)
def test_what_is_not_said_or_shown_is_refused_and_changes_nothing(
    alone: Identity, rex: User, said: dict[str, Any], words: str
) -> None:
    row = waits(alone, now=NOW)
    with pytest.raises(NotPossible, match=words):
        state(row, rex, **said)
    row.refresh_from_db()
    assert (
        row.state,
        Statement.objects.count(),
        Deposit.objects.filter(format="proof").count(),
    ) == (
        "failed",
        0,
        0,
    )


@pytest.mark.parametrize("was", ["effective", "undone"])
def test_only_what_is_not_effective_is_stated(alone: Identity, rex: User, was: str) -> None:
    row = waits(alone, now=NOW, state=was)
    with pytest.raises(NotPossible, match=f"is {was}: only what is not effective"):
        state(row, rex)


def test_secret_in_a_log_never_reaches_the_disk(alone: Identity, rex: User) -> None:
    secret = "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"
    text = f"2026-11-24 uninstalled with token {secret}\n".encode()
    made = state(waits(alone, now=NOW), rex, file=stating.File("a/b\\out.log", text))
    assert made.deposit is not None
    kept = proofs.body_of(made.deposit)
    assert kept is not None
    assert (secret.encode() in kept, b"[redacted:" in kept) == (False, True)
    assert made.kept_digest == sha256(kept).hexdigest()
    assert (made.file_name, made.content_type) == ("out.log", "text/plain")


def test_same_picture_for_two_is_kept_once(alone: Identity, rex: User) -> None:
    one, two = (state(waits(alone, now=NOW), rex) for _ in range(2))
    assert one.deposit_id == two.deposit_id
    assert one.deposit is not None
    assert one.deposit.events == 0


def test_stated_is_not_counted_as_seen_in_time(alone: Identity, rex: User) -> None:
    row = waits(alone, now=NOW, ago=timedelta(minutes=1))
    state(row, rex)
    assert Revocation.objects.filter(shares.PROVED).count() == 0
    Statement.objects.update(seen_at=NOW)
    assert Revocation.objects.filter(shares.PROVED).count() == 1


# --- Pages ---------------------------------------------------------------------------------------


def form(**said: Any) -> dict[str, Any]:
    return {
        "done_by": "Olga",
        "done_at": f"{timezone.now() - HOUR:%Y-%m-%dT%H:%M}",
        "note": "uninstalled",
        "proof": SimpleUploadedFile("../../evil\r\nname.svg", PNG, content_type="image/svg+xml"),
    } | said


def sure(client: Client) -> Client:
    """A client whose user has just confirmed who they are (test_stating_confirmed.py)."""
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    return client


def test_page_takes_a_statement_and_gives_the_file_out_as_an_attachment(
    alone: Identity, rex: User, as_user: Sign
) -> None:
    row = waits(alone, now=timezone.now())
    client = sure(as_user(rex))
    assert client.post(f"/revocations/{row.key}/state/", form()).status_code == 302
    page = client.get(f"/revocations/{row.key}/")
    text = " ".join(page.content.decode().split())
    assert "Effective because people state it; nobody has seen it at GitHub acme." in text
    assert "stated, not seen" in client.get("/revocations/").content.decode()
    made = Statement.objects.get()
    found = client.get(f"/revocations/{row.key}/proofs/{made.pk}/")
    assert (found.content, found["Content-Type"]) == (PNG, "image/png")
    assert found["Content-Disposition"] == f'attachment; filename="{made.file_name}"'
    assert (made.file_name.isprintable(), "/" in made.file_name) == (True, False)
    assert (found["X-Content-Type-Options"], found["Content-Security-Policy"]) == (
        "nosniff",
        "default-src 'none'; sandbox",
    )
    assert (
        as_user(make_user("gus", "owner"))
        .get(f"/revocations/{row.key}/proofs/{made.pk}/")
        .status_code
        == 404
    )


def test_page_asks_a_second_person_and_tries_again(story: Told, rex: User, as_user: Sign) -> None:
    row = waits(story.identity, now=timezone.now())
    assert sure(as_user(rex)).post(f"/revocations/{row.key}/state/", form()).status_code == 302
    page = as_user(story.ines).get(f"/revocations/{row.key}/")
    assert page.context["how"].must_act == "a second person, who signs or refuses that"
    assert [one["why_not"] for one in page.context["acts"]] == ["", ""]
    assert sure(as_user(story.ines)).post(f"/revocations/{row.key}/sign/").status_code == 302
    row.refresh_from_db()
    assert row.state == "effective"
    again = waits(story.identity, now=timezone.now())
    assert as_user(rex).post(f"/revocations/{again.key}/retry/").status_code == 302
    again.refresh_from_db()
    assert again.state == "sending"


@pytest.mark.parametrize("at", ["", "yesterday", "2026-13-45T99:00", "9" * 400])
def test_page_says_what_is_wrong_with_a_moment(
    alone: Identity, rex: User, as_user: Sign, at: str
) -> None:
    row = waits(alone, now=timezone.now())
    page = sure(as_user(rex)).post(f"/revocations/{row.key}/state/", form(done_at=at))
    assert (page.status_code, "Say when it was done" in page.content.decode()) == (409, True)
