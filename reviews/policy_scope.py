"""Which identities a review policy is about, as sets that the database finds.

Owns the query of a scope, of what is due, of who is exempt and of who has nobody in a seat.
Opens nothing (reviews/actions/due.py).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from evidence.models import Source
from identities.models import Attribution, Credential, Finding, Identity, Membership, Party
from reviews.models import Case
from reviews.policy_document import TEAM, Document, Scope

LIVE = ("draft", "open")
# Who a seat's order names, and where an identity says who that is.
OF_IDENTITY = {"owner": "owner", "backup": "backup", "sponsor": "sponsor"}
OF_SERVICE = {
    "owner": "service__ai_owner",
    "backup": "service__backup",
    "sponsor": "service__sponsor",
}


class Population(NamedTuple):
    """What a policy would do now: how many identities, and what of them."""

    identities: int
    exempt: int
    nobody: int  # of those who are not exempt: a seat in which nobody could be asked
    due: int | None  # a review would be opened now; None where it opens none by itself


def in_scope(document: Document, *, now: datetime) -> QuerySet[Identity]:
    """The identities that the document is about, exempt ones included, retired ones never."""
    rows = Identity.objects.exclude(state="retired")
    scope = document.scope or Scope()
    for lookup, values in (
        ("kind__in", scope.kinds),
        ("mode__in", scope.modes),
        ("criticality__in", scope.criticality),
        ("service__slug__in", scope.services),
    ):
        if values:
            rows = rows.filter(**{lookup: values})
    if scope.ai_system is not None:
        rows = _which(rows, Q(service__ai_system=True, service__isnull=False), scope.ai_system)
    if scope.sources:
        # Their numbers first: with them the database walks one index for each identity.
        ids = list(Source.objects.filter(name__in=scope.sources).values_list("pk", flat=True))
        seen = Attribution.objects.filter(identity_no=OuterRef("number"), source_id__in=ids)
        rows = rows.filter(Exists(seen))
    if scope.expires_within_days is not None:
        rows = rows.filter(expires_at__lte=now + timedelta(days=scope.expires_within_days))
    if scope.findings:
        rows = rows.filter(
            Exists(
                Finding.objects.filter(
                    identity=OuterRef("pk"),
                    rule__in=scope.findings,
                    state__in=["open", "confirmed"],
                )
            )
        )
    if scope.orphaned is not None:
        rows = _which(rows, _there(now, "owner"), not scope.orphaned)
    if scope.standing_credential is not None:
        standing = Credential.objects.filter(
            identity=OuterRef("pk"), standing=True, state__in=["active", "held"]
        )
        rows = _which(rows, Exists(standing), scope.standing_credential)
    if scope.last_reviewed_before_days is not None:
        rows = rows.filter(~_reviewed_after(now - timedelta(days=scope.last_reviewed_before_days)))
    return rows


def exempt_numbers(document: Document, *, now: datetime) -> list[int]:
    """The numbers of the identities that the document leaves alone at `now`."""
    return [one.number for one in document.exempt(now.astimezone(UTC).date())]


def due(document: Document, *, now: datetime, observed: bool = False) -> QuerySet[Identity]:
    """Those in scope whose review would be opened now.

    None has been opened for `every_days`, none is under way, they are not exempt, and their mode
    asks somebody; `observed`: asked as if it did.
    """
    if document.every_days is None:
        return Identity.objects.none()
    return (
        in_scope(document, now=now)
        .filter(Q() if observed else ~Q(mode="observe"))
        .exclude(number__in=exempt_numbers(document, now=now))
        .filter(~_reviewed_after(now - timedelta(days=document.every_days)))
        .filter(
            ~Exists(
                Case.objects.filter(
                    identity=OuterRef("pk"), door="access_review", trigger="", state__in=LIVE
                )
            )
        )
    )


def nobody_seated(
    rows: QuerySet[Identity], document: Document, *, now: datetime
) -> QuerySet[Identity]:
    """Those of `rows` with a seat in which nobody could be asked."""
    return rows.exclude(Exists(Identity.objects.filter(_seated(document, now), pk=OuterRef("pk"))))


def population(document: Document, *, now: datetime) -> Population:
    """The dry run of a document, in two statements."""
    rows = in_scope(document, now=now)
    alone = Q(number__in=exempt_numbers(document, now=now))
    found = rows.aggregate(
        identities=Count("pk"),
        exempt=Count("pk", filter=alone),
        seated=Count("pk", filter=_seated(document, now) & ~alone),
    )
    return Population(
        identities=found["identities"],
        exempt=found["exempt"],
        nobody=found["identities"] - found["exempt"] - found["seated"],
        due=None if document.every_days is None else due(document, now=now).count(),
    )


def _which(rows: QuerySet[Identity], true: Q | Exists, wanted: bool) -> QuerySet[Identity]:
    """Those of which it is true, or all the others; nothing is neither."""
    return rows.filter(true) if wanted else rows.exclude(true)


def _reviewed_after(since: datetime) -> Exists:
    """A review was opened after this moment; one that was cancelled is none."""
    return Exists(
        Case.objects.filter(
            identity=OuterRef("pk"), door="access_review", trigger="", opened_at__gt=since
        ).exclude(state="cancelled")
    )


def parties_present(*, now: datetime) -> QuerySet[Party]:
    """The parties that somebody stands for: a person who has not left, a team with one in it."""
    here = Q(person__left_at__isnull=True) | Q(person__left_at__gt=now)
    member = Membership.objects.filter(
        here,
        team=OuterRef("team"),
        during__contains=now,
        superseded_at__isnull=True,
    )
    return Party.objects.filter(Q(here, person__isnull=False) | Exists(member))


def _there(now: datetime, *paths: str) -> Q:
    """Somebody stands for one of these parties of an identity."""
    found = Q()
    for path in paths:
        found |= Q(**{f"{path}__in": parties_present(now=now).values("pk")})
    return found


def _seated(document: Document, now: datetime) -> Q:
    """Somebody could be asked in the seat of the identity owner and in that of its AI system.

    As reviews/actions/seats.py fills them: by the document's order, else by the plain one, in
    which the sponsor stands in only where no backup is named. Where stages follow each other, in
    each of them.
    """
    found = Q()
    for seats in [{**document.seats, **one.seats} for one in document.stages] or [
        dict(document.seats)
    ]:
        found &= _seated_by(seats, now)
    return found


def _seated_by(seats: Mapping[str, Sequence[str]], now: datetime) -> Q:
    owner, ai_owner = seats.get("identity_owner"), seats.get("ai_owner")
    identity_seat = (
        _there(now, "owner", "backup") | (Q(backup__isnull=True) & _there(now, "sponsor"))
        if owner is None
        else _sits(owner, OF_IDENTITY, now)
    )
    no_backup = Q(service__backup__isnull=True) | Q(service__backup=F("service__ai_owner"))
    ai_seat = (
        _there(now, "service__ai_owner", "service__backup")
        | (no_backup & _there(now, "service__sponsor"))
        if ai_owner is None
        else _sits(ai_owner, OF_SERVICE, now)
    )
    return identity_seat & (Q(service__isnull=True) | Q(service__ai_system=False) | ai_seat)


def _sits(order: Sequence[str], paths: Mapping[str, str], now: datetime) -> Q:
    teams = [one.removeprefix(TEAM).strip() for one in order if one.startswith(TEAM)]
    found = _there(now, *(paths[one] for one in order if not one.startswith(TEAM)))
    if teams:
        found |= Q(Exists(parties_present(now=now).filter(team__name__in=teams)))
    return found
