"""What one person sends by hand to a source that holds evidence is evidence once a second one signs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
import zstandard
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from evidence import intake, uploads
from evidence.models import Actor, Deposit, Event, PendingUpload, Source
from evidence.permissions import NotPossible
from identities.actions import changes
from identities.models import ProposedChange, User
from identities.permissions import NotAllowed
from tests.evidence.bodies import record, trail
from tests.evidence.readers import parts, person, signed_in
from tests.evidence.test_second_person import ada, signed

__all__ = ["ada", "person", "signed_in"]

pytestmark = pytest.mark.django_db
type Sign = Callable[..., Client]


def body(*numbers: int, **said: Any) -> bytes:
    at = timezone.now() - timedelta(hours=1)
    return trail(*(record(one, at=at, **said) for one in numbers))


@pytest.fixture
def held(source: Callable[..., Source]) -> Source:
    """A source that holds evidence."""
    row, now = source("prod", realms=["aws:123456789012"]), timezone.now()
    intake.take(source=row, body=b"[]", by="source:prod", now=now, format="cloudtrail", name="x")
    return row


@pytest.fixture
def ines(held: Source, signed_in: Sign) -> Client:
    return signed_in("ines", "reviewer")


def send(client: Client, data: bytes, name: str = "log.json", to: str = "prod") -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    file = {"file": SimpleUploadedFile(name, data)}
    answer = client.post(f"/sources/{to}/drop/", file, headers=headers)
    last: dict[str, Any] = orjson.loads(parts(answer).splitlines()[-1])
    return last


def test_a_file_is_evidence_once_a_second_person_has_signed(ines: Client, ada: User) -> None:
    data, actors = body(1, 2), Actor.objects.count()
    answer = send(ines, data)
    change = ProposedChange.objects.get()
    assert answer["url"] == change.url
    assert answer["words"] == (
        f"Kept, and not read in yet: a second person signs {change.key} first. 2 records, 0 rejects."
    )
    assert uploads.read_in(now=timezone.now) == 0
    assert (Deposit.objects.count(), Event.objects.count()) == (1, 0)
    assert Actor.objects.count() == actors
    with pytest.raises(NotAllowed, match="a second person signs"):
        changes.sign(change=change, by=User.objects.get(username="ines"), now=timezone.now())
    signed(ada)
    assert uploads.read_in(now=timezone.now) == 1
    deposit = Deposit.objects.get(name="log.json")
    assert (deposit.events, deposit.records) == (2, 2)
    assert deposit.received_by == User.objects.get(username="ines").ref
    assert (Event.objects.count(), PendingUpload.objects.count()) == (2, 0)
    # The same file again is here already.
    assert send(ines, data)["words"].startswith("Already here since")


def test_without_scripts_it_leads_to_the_change(ines: Client) -> None:
    data = body(1)
    file = {"file": SimpleUploadedFile("log.json", data)}
    assert "read in once a second person has signed" in ines.get("/sources/prod/").content.decode()
    answer = ines.post("/sources/prod/drop/", file)
    change = ProposedChange.objects.get()
    assert answer["Location"] == change.url
    row = PendingUpload.objects.get()
    link = f"/sources/prod/uploads/{row.pk}/"
    assert link in ines.get(change.url).content.decode()
    assert orjson.loads(ines.get(link).content) == orjson.loads(data)
    assert ines.get(f"/sources/other/uploads/{row.pk}/").status_code == 404


@pytest.mark.parametrize(("group", "status"), [("owner", 403), ("auditor", 200)])
def test_what_is_kept_is_read_by_who_sees_all_evidence(
    ines: Client, signed_in: Sign, group: str, status: int
) -> None:
    send(ines, body(1))
    link = f"/sources/prod/uploads/{PendingUpload.objects.get().pk}/"
    assert signed_in("olga", group).get(link).status_code == status


def test_a_record_that_its_source_sends_too_is_one_event(
    held: Source, ines: Client, ada: User
) -> None:
    secret = {"requestParameters": {"password": "hunter2hunter2hunter2"}}
    records = orjson.loads(body(1, 2, **secret))["Records"]
    send(ines, trail(*records))
    now = timezone.now()
    own = trail(records[1])
    intake.take(source=held, body=own, by="source:prod", now=now, format="cloudtrail")
    signed(ada)
    uploads.read_in(now=timezone.now)
    deposit = Deposit.objects.get(name="log.json")
    assert (deposit.events, deposit.duplicates, Event.objects.count()) == (1, 1, 2)
    assert deposit.redactions["kinds"] != {}


def test_what_its_source_sends_meanwhile_is_taken_at_once(
    held: Source, ines: Client, ada: User
) -> None:
    data, now = body(1), timezone.now()
    send(ines, data)
    taken = intake.take(source=held, body=data, by="source:prod", now=now, format="cloudtrail")
    assert (taken.repeat, taken.events) == (False, 1)
    signed(ada)
    assert uploads.read_in(now=timezone.now) == 1
    assert Deposit.objects.filter(source=held).count() == 2


def test_two_files_of_one_person_wait_side_by_side(ines: Client, ada: User) -> None:
    for number in (1, 2):
        send(ines, body(number))
    rows = ProposedChange.objects.filter(state="proposed")
    assert rows.count() == 2
    for row in rows:
        changes.sign(change=row, by=ada, now=timezone.now())
    assert uploads.read_in(now=timezone.now) == 2
    assert Event.objects.count() == 2


def test_bytes_that_were_changed_are_not_read_in(ines: Client, ada: User) -> None:
    send(ines, body(1))
    signed(ada)
    other = PendingUpload.objects.get()
    other.body = zstandard.ZstdCompressor().compress(body(9))
    other.save()
    assert uploads.read_in(now=timezone.now) == 0
    assert Event.objects.count() == 0


def test_what_nobody_signs_goes(ines: Client, ada: User) -> None:
    send(ines, body(1))
    now = timezone.now()
    assert uploads.forget(now=now + timedelta(days=14)) == 0
    assert uploads.forget(now=now + timedelta(days=16)) == 1
    with pytest.raises(NotPossible, match="is kept no longer"):
        signed(ada)


@pytest.mark.parametrize("realms", [["aws:123456789012"], [], ["aws:2"]])
def test_an_empty_source_beside_others_waits_too(
    ines: Client, source: Callable[..., Source], realms: list[str]
) -> None:
    source("second", realms=realms)
    send(ines, body(1), to="second")
    assert PendingUpload.objects.count() == 1
    assert Deposit.objects.filter(source__name="second").count() == 0


def test_a_broken_file_is_kept_up_to_where_it_breaks(ines: Client) -> None:
    answer = ines.post(
        "/sources/prod/drop/",
        {"file": SimpleUploadedFile("x", b"hello")},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 422
    assert (PendingUpload.objects.count(), ProposedChange.objects.count()) == (0, 0)
