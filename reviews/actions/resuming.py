"""Asking that a suspended identity works again: a case that its seats sign.

Owns who may ask, what stands against it, and the case. It is asked through the door of access
requests: the same seats, who asks does not sign, nothing by silence (docs/decisions/0042). What
happens when it is approved is declared.py.
"""

from datetime import datetime

from django.db import transaction

from identities.models import Identity, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import permissions
from reviews.models import Case, Item

from . import entries, opening, requests, rungs, seats, suspensions
from .reminders import ask as tell

# In which a question about resuming is not settled.
ASKED = ("draft", "open", "decided", "carrying_out")


def why_not(user: User, identity: Identity) -> str | None:
    """Whoever sees an identity may ask that it works again; others sign."""
    return permissions.why_not_request(user, identity)


def asked(identity: Identity) -> Case | None:
    """The case that asks about it already."""
    rows = Case.objects.filter(
        identity=identity, door="access_request", state__in=ASKED, items__kind="step"
    )
    return rows.order_by("-number").first()


def against(
    identity: Identity, found: suspensions.Suspension | None, *, now: datetime
) -> str | None:
    """Why it cannot be asked now, whoever asks. `found`: by what it is suspended."""
    if found is None:
        return f"{identity.name} is {identity.state}: there is nothing to resume."
    if (known := asked(identity)) is not None:
        return f"{known.key} asks it already."
    if found.case is not None and found.case.state in suspensions.GOES_ON:
        # A sealed case is absent for whoever is not in it.
        called = "A sealed case" if found.case.sealed else found.case.key
        return f"{called} suspended it and is not closed: what its seats keep there resumes it."
    if identity.expires_at is not None and identity.expires_at <= now:
        return (
            f"Its attestation ended on {identity.expires_at:%Y-%m-%d}, so our door would refuse it"
            " all the same: renew it first."
        )
    return None


def ask(*, identity: Identity, by: User, now: datetime, reason: str) -> Case:
    """Have its seats asked whether it works again."""
    with transaction.atomic():
        identity = opening.locked([identity.pk])[0]
        require(why_not(by, identity))
        reason = reason_given(reason, what="why it may work again; its seats read it")
        found = suspensions.read(identity, now=now)
        stands = against(identity, found, now=now)
        if found is None or stands is not None:
            raise NotPossible(stands or f"{identity.name} is not suspended.")
        since = found.since
        title = f"Resume: {identity.name}"
        case = requests.new_case(identity, title=title, by=by, now=now, reason=reason)
        Item.objects.create(
            case=case,
            position=0,
            kind="step",
            ref=identity.pk,
            title=f"Resume {identity.name}"[:500],
            note=_note(found),
            # What is signed is the end of this suspension, and of no later one.
            proposal={"since": since.isoformat()},
        )
        # Work stands still: all seats are asked at once, whatever stages requests have.
        made = seats.build(case, identity, now=now, in_stages=False)
        rungs.make([case])
        entries.note(
            case,
            act="resume.requested",
            words=f"{by.called} asked that {identity.name} works again: {reason}"[:1_000],
            by=by,
            now=now,
            data={
                "identity": identity.key,
                "since": since.isoformat(),
                "seats": [seat.kind for seat in made],
            },
        )
        entries.changed(case)
        tell(case, now=now)
    return case


def _note(found: suspensions.Suspension) -> str:
    """What its signers read beside it; a sealed case is absent for whoever is not in it."""
    why = "" if found.case is not None and found.case.sealed else f": {found.why}"
    return f"suspended since {found.since:%-d %b %Y %H:%M} UTC by {found.by}{why}"[:500]
