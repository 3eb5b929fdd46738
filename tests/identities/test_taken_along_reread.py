"""Evidence that is read again is looked at for what a stopped credential issued or made, as new is."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence import intake, rereading
from evidence.formats import FORMATS, mapping
from evidence.formats.record import Asked, Parsed
from evidence.models import MappingVersion, Source
from evidence.permissions import COMMAND
from identities.actions import following
from identities.models import Credential, Identity, Making, Revocation
from tests.identities.chains import arn, bind
from tests.identities.conftest import NOW
from tests.identities.revoking import ask
from tests.identities.test_following import record, source, take

__all__ = ["source"]
pytestmark = pytest.mark.django_db
Make = Callable[..., Any]
KEY = "AKIASTOLEN0000000001"
FIRST = """
mapping: gateway
realm: aws
at: ts
action: act
principal: {kind: user, path: who}
credential: {kind: access_key, path: key}
"""
BETTER = """
issues:
  - {actions: [mint], credential: {kind: access_key, path: made}, standing: true}
"""
LINE = b'{"ts":"2026-11-24T10:00:00Z","act":"mint","who":"ann","key":"%s","made":"%s","id":"1"}\n'


def again() -> None:
    rereading.run(rereading.ask(by=COMMAND, now=NOW), clock=lambda: NOW, say=lambda _: None)
    while following.follow_next(now=NOW):
        pass


def save(text: str, version: int) -> None:
    made = mapping.of(text)
    MappingVersion.objects.create(
        name=made.name, version=version, title=made.title, plane=made.plane, text=text, made_at=NOW,
        made_by="command",
    )  # fmt: skip


def stopped(identity: Identity, **said: Any) -> Revocation:
    """The key that is in evidence, revoked and effective."""
    key = Credential.objects.get(actor__value=KEY)
    Credential.objects.filter(pk=key.pk).update(identity=identity, issued_to=bound_to(identity))
    key.refresh_from_db()
    row = ask(identity, "revoke", now=NOW, credential=key, **said)
    Revocation.objects.update(state="effective", effective_at=NOW, confirmed_at=NOW, sent_at=NOW)
    Credential.objects.update(state="revoked")
    return row


def bound_to(identity: Identity) -> Any:
    user = arn("user/svc-report")
    bind(identity, user)
    return user


def test_a_better_mapping_shows_an_issuance(active: Make) -> None:
    save(FIRST, 1)
    gate = Source.objects.create(
        name="gate", plane="identity", format="mapping:gateway", created_at=NOW, created_by="test"
    )
    body = LINE % (KEY.encode(), b"AKIAMINTED0000000002")
    intake.take(source=gate, body=body, by="test", now=NOW, format="mapping:gateway")
    while following.follow_next(now=NOW):
        pass
    first = stopped(active("svc-report"))
    save(FIRST + BETTER, 2)
    again()
    first.refresh_from_db()
    assert (first.state, len(first.reopened)) == ("confirmed", 1)
    along = Revocation.objects.filter(cause=first)
    assert along.get().credential == Credential.objects.get(actor__value="AKIAMINTED0000000002")


def test_a_better_reading_shows_a_user_that_was_made(
    source: Source, active: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(source, record("CreateUser", NOW, key=KEY, requestParameters={"userName": "mallory"}))
    assert Making.objects.get().kind == "user"
    first = stopped(active("svc-report"), takes_made=True)
    assert Revocation.objects.filter(cause=first).count() == 1
    Revocation.objects.filter(cause=first).delete()
    known = FORMATS["cloudtrail"]

    def parse(body: bytes, asked: Asked) -> Parsed:
        parsed = known.parse(body, asked)
        eve = "arn:aws:iam::123456789012:user/eve"
        return parsed._replace(records=[one._replace(resource=eve) for one in parsed.records])

    monkeypatch.setitem(
        FORMATS, "cloudtrail", known._replace(parse=parse, version=known.version + 1)
    )
    again()
    assert [one.thing for one in Making.objects.all()] == ["aws:123456789012 user eve"]
    assert Revocation.objects.get(cause=first).words == "Revoke user eve"
