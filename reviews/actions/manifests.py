"""Declaring a release beforehand: a manifest and the case that both owners sign it in.

Owns that the same content is one row and one case, and what a manifest's standing is. It is asked
through the door of access requests: the same seats, the same independence, nothing by silence.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from identities.models import Identity, Manifest, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import manifest_document, permissions
from reviews.manifest_document import Difference, Release
from reviews.models import Case, Decision, Item

from . import closing, entries, opening, requests, rungs, seats
from .reminders import ask

LONGEST_REFERENCE = 500
PENDING, SIGNED, REFUSED = "pending", "signed", "refused"


class Standing(NamedTuple):
    """Where a manifest stands, in the words of a check: pending, signed or refused, and why."""

    state: str
    reasons: list[str]
    case: Case | None


def declare(
    *,
    identity: Identity,
    said: Mapping[str, Any],
    by: User,
    now: datetime,
    reason: str,
    reference: str = "",
) -> Manifest:
    """Ask for the signatures under this release, or get what was asked of the same content.

    What nobody signed in time, or was taken back, may be asked again; what a person refused has
    to change. A newer manifest of the same version takes the place of one's own that waits.
    """
    release = manifest_document.parse(said)
    if len(reference) > LONGEST_REFERENCE or not (reference == "" or reference.isprintable()):
        raise NotPossible(f"Write the reference in at most {LONGEST_REFERENCE} characters.")
    with transaction.atomic():
        identity = opening.locked([identity.pk])[0]
        require(permissions.why_not_request(by, identity))
        reason = reason_given(reason, what="what this release is for")
        if not seats.concerned(identity, now=now):
            raise NotPossible(
                f"{identity.name} serves no AI system, so nobody could sign for it as its owner."
                " Name its AI system first."
            )
        digest = manifest_document.digest(identity.key, release)
        row = Manifest.objects.filter(identity=identity, digest=digest).first()
        if row is not None and not _may_be_asked_again(row):
            return row
        _make_way(identity, release, by=by, now=now)
        if row is None:
            row = Manifest(
                identity=identity,
                version=release.version,
                model=release.model,
                tools=list(release.tools),
                permissions=release.stored(),
                digest=digest,
                proposed_at=now,
            )
        row.state, row.settled_at, row.reference = "proposed", None, reference
        row.proposed_by, row.proposed_by_name = by.ref, by.called
        row.proposed_person = by.person
        row.save()
        row.refresh_from_db(fields=["number"])
        row.case = _opened(identity, row, by=by, now=now, reason=reason).pk
        row.save(update_fields=["case"])
    return row


def _may_be_asked_again(row: Manifest) -> bool:
    """Nobody signed it in time, or it was taken back; no person has refused it."""
    found = standing(row)
    if found.state != REFUSED or found.case is None:
        return False
    return not _answers(found.case).filter(answer="deny").exists()


def _answers(case: Case) -> Any:
    return Decision.objects.filter(item__case=case, superseded_at__isnull=True).select_related(
        "person"
    )


def _make_way(identity: Identity, release: Release, *, by: User, now: datetime) -> None:
    """One's own older manifest of this version is not waited for any more."""
    for old in Manifest.objects.filter(
        identity=identity, version=release.version, state="proposed", proposed_by=by.ref
    ):
        case = case_of(old)
        if case is not None and case.state == "open":
            closing.cancel(
                case=case, by=by, now=now, reason=f"a newer manifest takes the place of {old.key}"
            )
        Manifest.objects.filter(pk=old.pk).update(state="refused", settled_at=now)


def _opened(identity: Identity, row: Manifest, *, by: User, now: datetime, reason: str) -> Case:
    title = f"Release manifest: {identity.name} {row.version}"[:500]
    case = requests.new_case(identity, title=title, by=by, now=now, reason=reason)
    said = differs(row).words()
    Item.objects.create(
        case=case,
        position=0,
        kind="manifest",
        ref=row.pk,
        title=f"{row}"[:500],
        note=f"{len(row.tools):,} tools; {'; '.join(said) or 'as the last signed one'}"[:500],
        proposal={
            "version": row.version,
            "model": row.model,
            "tools": list(row.tools),
            "permissions": row.permissions,
            "reference": row.reference,
            "digest": row.digest,
        },
    )
    # A pipeline waits for it: both owners are asked at once, whatever stages requests have.
    made = seats.build(case, identity, now=now, in_stages=False)
    rungs.make([case])
    entries.note(
        case,
        act="manifest.declared",
        words=f"{by.called} declared {row} of {identity.name}: {reason}",
        by=by,
        now=now,
        data={
            "manifest": row.key,
            "digest": row.digest,
            "tools": list(row.tools),
            "permissions": row.permissions,
            "reference": row.reference,
            "seats": [seat.kind for seat in made],
        },
    )
    entries.changed(case)
    ask(case, now=now)
    return case


def case_of(row: Manifest) -> Case | None:
    """The case it is, or was last, signed in."""
    return None if row.case is None else Case.objects.filter(pk=row.case).first()


def standing(row: Manifest) -> Standing:
    """Where it stands now, from its row and its case."""
    case = case_of(row)
    if row.state == "signed":
        return Standing(SIGNED, [], case)
    if case is not None and case.state == "cancelled":
        return Standing(REFUSED, ["it was taken back, or a newer one took its place"], case)
    if row.state == "refused":
        denied = [] if case is None else _answers(case).filter(answer="deny").order_by("at")
        said = [f"{one.person.name}: {one.reason}" for one in denied]
        return Standing(REFUSED, said or ["not every owner signed by the deadline"], case)
    return Standing(PENDING, [], case)


def release_of(row: Manifest) -> Release:
    """What a stored manifest declares."""
    pairs = tuple((tuple(one["actions"]), tuple(one["resources"])) for one in row.permissions)
    return Release(row.version, row.model, tuple(row.tools), pairs)


def last_signed(row: Manifest) -> Manifest | None:
    """The one that was signed last before this was declared."""
    signed = Manifest.objects.filter(identity=row.identity_id, state="signed").exclude(pk=row.pk)
    if row.settled_at is not None:
        signed = signed.filter(settled_at__lt=row.settled_at)
    return signed.order_by("-settled_at", "-number").first()


def differs(row: Manifest) -> Difference:
    """What this release has that the last signed one has not."""
    before = last_signed(row)
    return manifest_document.difference(
        None if before is None else release_of(before), release_of(row)
    )
