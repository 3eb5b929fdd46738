"""Declaring what lies sealed: by two people, by a name that the target's own log writes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from evidence.keys import key_of
from evidence.models import Actor, LedgerEntry
from identities.models import Credential
from identities.permissions import NotAllowed, NotPossible
from reviews.models import SealedCredential, SealedDrill
from reviews.sealed import declaring
from tests.reviews.conftest import DAY, HOUR, NOW, person_of

from .conftest import KEY, Sealed, declared, said

pytestmark = pytest.mark.django_db


def test_one_person_proposes_and_another_signs(sealed: Sealed) -> None:
    row = declaring.propose(
        declared=said(slug="Okta-Admin", named="AKIASEALEDQP7D000002"),
        reason="x",
        by=sealed.rita,
        now=NOW,
    )
    with pytest.raises(NotAllowed, match="You proposed it"):
        declaring.sign(sealed=row, by=sealed.rita, now=NOW)
    with pytest.raises(NotPossible, match="waits for its second signature"):
        declaring.propose(declared=said(slug="okta-admin"), reason="x", by=sealed.root, now=NOW)
    row = declaring.sign(sealed=row, by=sealed.root, now=NOW)
    assert (row.state, row.slug, row.settled_at) == ("in_force", "okta-admin", NOW)
    with pytest.raises(NotAllowed, match="is in force already, by Root"):
        declaring.sign(sealed=row, by=sealed.root, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        SealedCredential.objects.filter(pk=row.pk).update(settled_person=person_of(sealed.rita))
    acts = LedgerEntry.objects.filter(subject=row.subject).order_by("pk")
    assert list(acts.values_list("act", flat=True)) == [
        "sealed_credential.proposed",
        "sealed_credential.signed",
    ]


def test_a_next_version_takes_the_place_and_one_that_is_refused_does_not(sealed: Sealed) -> None:
    wanted: dict[str, Any] = {"reason": "moved", "by": sealed.root, "now": NOW}
    row = declaring.propose(declared=said(kept="bank"), **wanted)
    declaring.refuse(sealed=row, reason="no bank", by=sealed.rita, now=NOW)
    assert declaring.in_force() == [sealed.row]
    last = declared(sealed.root, sealed.rita, NOW, kept="the other safe")
    before = SealedCredential.objects.get(pk=sealed.row.pk)
    assert (last.version, before.state, before.until) == (3, "ended", NOW)
    # Two people say as well that it is sealed no longer.
    declared(sealed.root, sealed.rita, NOW, watched=False)
    assert declaring.in_force() == []


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"slug": "Not a name"}, "Name it in words of small letters"),
        ({"named": "nobody"}, "No evidence names 'nobody'"),
        ({"named": "CRED-999"}, "There is no credential CRED-999"),
        ({"named": "invoice-agent"}, "whoever sends traces chooses"),
        ({"named": "twice"}, "Several are called this: write one of a user twice; b user twice"),
        ({"named": ""}, "No evidence names ''"),
        ({"kept": " "}, "Say where it lies"),
        ({"openers": "x" * 501}, "Say who may open the envelope, in at most 500 characters"),
        ({"review_within_hours": 0}, "within 1 to 720 hours"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(
    sealed: Sealed, wrong: dict[str, Any], what: str
) -> None:
    for realm, kind, value in (("a", "user", "twice"), ("b", "user", "twice"),
                               ("traces", "agent", "invoice-agent")):  # fmt: skip
        Actor.objects.create(
            key=key_of(realm, kind, value),
            realm=realm,
            kind=kind,
            value=value,
            created_at=NOW,
        )
    with pytest.raises(NotPossible, match=what):
        declaring.propose(declared=said(**wrong), reason="x", by=sealed.rita, now=NOW)
    assert SealedCredential.objects.count() == 1


def test_a_credential_of_the_register_and_a_full_name_are_read(sealed: Sealed) -> None:
    row = Credential.objects.create(
        actor=sealed.row.actor, kind="access_key", standing=True, state_at=NOW
    )
    row.refresh_from_db()
    assert declaring.actor_of(row.key, now=NOW) == sealed.row.actor
    one = sealed.row.actor
    assert declaring.actor_of(f"{one.realm} {one.kind} {KEY}", now=NOW) == one


def test_one_credential_is_declared_under_one_name(sealed: Sealed) -> None:
    row = declaring.propose(declared=said(slug="again"), reason="x", by=sealed.rita, now=NOW)
    with pytest.raises(NotPossible, match="is declared under another name already"):
        declaring.sign(sealed=row, by=sealed.root, now=NOW)


def test_a_drill_is_announced_before_it_begins(sealed: Sealed) -> None:
    wanted: dict[str, Any] = {"slug": "aws-key", "reason": "we practise", "by": sealed.rex}
    for begins, ends in ((-HOUR, HOUR), (HOUR, HOUR), (91 * DAY, 91 * DAY + HOUR), (HOUR, 2 * DAY)):
        with pytest.raises(NotPossible, match="A drill"):
            declaring.announce(**wanted, starts_at=NOW + begins, ends_at=NOW + ends, now=NOW)
    times: dict[str, Any] = {"starts_at": NOW, "ends_at": NOW + timedelta(hours=2), "now": NOW}
    with pytest.raises(NotPossible, match="No sealed credential 'none'"):
        declaring.announce(**wanted | {"slug": "none"}, **times)
    declaring.announce(**wanted, **times)
    drill = SealedDrill.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        SealedDrill.objects.filter(pk=drill.pk).update(announced_at=NOW + HOUR)
