"""Who takes over what somebody leaves: at once, accepted, passed on, or nobody's.

Owns SuccessionItem rows. The next who is there is made the owner at once and is asked to accept;
who declines, or is silent, passes it on; when nobody is left, it is nobody's and its review is
opened, where what silence does is written down. Nothing is cut here.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from evidence import ledger
from identities import presence
from identities.acting import COUNTERSIGN, By, acting
from identities.actions import identities as identity_actions
from identities.actions import owning
from identities.models import Delegation, DelegationVersion, Identity, Party, Service, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import owner_permissions
from reviews.actions import attesting, opening, questions, seats_of_owner
from reviews.attestation_bounds import Attestation
from reviews.models import Succession, SuccessionItem

from . import asking
from .heirs import Heirs

AT_ONCE = 50
DAY = timedelta(days=1)


class Holding(NamedTuple):
    """One thing that was theirs, and as what."""

    role: str
    identity: Identity | None = None
    service: Service | None = None
    delegation: Delegation | None = None

    @property
    def about(self) -> Identity | None:
        """The identity whose terms and ledger it is under."""
        return self.delegation.grantee if self.delegation is not None else self.identity


def in_force(delegation: OuterRef) -> QuerySet[DelegationVersion]:
    """The versions of a delegation that are in force."""
    return DelegationVersion.objects.filter(
        delegation=delegation,
        state="in_force",
        superseded_at__isnull=True,
        revoked_at__isnull=True,
    )


def take(
    succession: Succession, heirs: Heirs, holdings: Sequence[Holding], *, now: datetime
) -> list[SuccessionItem]:
    """Write the items of these holdings; what has to have an owner gets the next one at once."""
    abouts = [one.about for one in holdings]
    no = _who_said_no(succession, [one.identity for one in holdings if one.role == "owner"])
    terms = attesting.terms_of([one.pk for one in abouts if one is not None], now=now)
    made = []
    for one in holdings:
        about = one.about
        says = Attestation() if about is None else terms[about.pk].says
        item = SuccessionItem(
            succession=succession,
            role=one.role,
            identity=one.identity,
            service=one.service,
            delegation=one.delegation,
            was=heirs.was,
            state="asked",
        )
        if one.role == "owner" and one.identity is not None:
            item.tried = no.get(one.identity.pk, [])
        if one.role in ("backup", "sponsor"):
            item.state = "noted"
            if succession.why == "moved":
                item.heir, item.words = heirs.was, "stays theirs after the move"
            else:
                item.words = f"nobody is there as {one.role} any more"
        elif succession.why == "moved" and one.role != "grantor":
            item.heir, item.words = heirs.was, "is it still theirs, after the move?"
        else:
            _next(item, heirs, now=now)
        if item.state == "asked" and (about is None or about.mode != "observe"):
            item.deadline_at = now + says.accept_within_days * DAY
        elif item.state == "asked":
            item.words = "its scope only observes: nobody was asked"
        made.append(item)
    SuccessionItem.objects.bulk_create(made)
    ends = [one.deadline_at for one in made if one.deadline_at is not None]
    if ends and max(ends) > succession.deadline_at:
        succession.deadline_at = max(ends)
        succession.save(update_fields=["deadline_at"])
    asking.tell(succession, made, now=now)
    return made


def _who_said_no(
    succession: Succession, identities: Sequence[Identity | None]
) -> dict[UUID, list[UUID]]:
    """Of identities that follow their service: who has declined it or was silent on it. They are
    not asked once more for each of them."""
    follows = {
        one.pk: one.service_id
        for one in identities
        if one is not None and one.service_id is not None and "owner" in one.inherited
    }
    rows = SuccessionItem.objects.filter(
        succession=succession, role="owner", service__in=set(follows.values())
    )
    tried = dict(rows.values_list("service", "tried")) if follows else {}
    return {pk: tried[service] for pk, service in follows.items() if service in tried}


def _next(item: SuccessionItem, heirs: Heirs, *, now: datetime) -> None:
    """The item goes to the next who is there, or is nobody's (unsaved)."""
    gone = "is no longer there for it"
    if item.succession.why == "moved":
        gone = "does not answer for it after the move"
    because = f"{item.succession.key}: {item.succession.called} {gone}"
    if item.identity is not None:
        identity = identity_actions.locked(item.identity.pk)
        heir = heirs.of_identity(identity, item.tried)
        # Where nobody is left, whoever was asked last does not answer for it against their word.
        to = heir or heirs.was
        if identity.owner_id != to.pk:
            was = identity.owner
            given = owning.give(
                identity=identity,
                to=to,
                basis="succession",
                by=COUNTERSIGN,
                now=now,
                because=because if heir else f"{item.succession.key}: nobody took it over",
            )
            seats_of_owner.follow(given, was=was, to=to, by=COUNTERSIGN, now=now)
    elif item.service is not None:
        heir = heirs.of_service(item.service, item.tried)
        _give_service(item.service, item.role, heir or heirs.was, because=because, now=now)
    elif item.delegation is not None:
        heir = heirs.of_grant(item.delegation.grantee, item.tried)
    else:
        return
    item.heir = heir
    if heir is None:
        _unowned(item, now=now)


def _give_service(service: Service, role: str, to: Party, *, because: str, now: datetime) -> None:
    """Its owner or AI-system owner is `to`, and so is that of the identities that follow it."""
    service = Service.objects.select_for_update(of=("self",)).get(pk=service.pk)
    was = getattr(service, role)
    if was is not None and was.pk == to.pk:
        return
    setattr(service, role, to)
    service.save(update_fields=[role])
    ledger.append(
        at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act="registered.changed",
        subject=f"service:{service.slug}",
        words=f"service {service.slug}: {role}: {was or 'nobody'} → {to}, by succession: {because}"[
            :1_000
        ],
        data={"role": role, "to": str(to.pk), "basis": "succession"},
    )
    if role == "ai_owner":
        seats_of_owner.follow_system(service, was=was, to=to, by=COUNTERSIGN, now=now)
        return
    inheriting = Identity.objects.filter(service=service, inherited__contains=[role])
    for pk in inheriting.exclude(state="retired").order_by("pk").values_list("pk", flat=True):
        identity = identity_actions.locked(pk)
        old = identity.owner
        owning.give(
            identity=identity, to=to, basis="succession", by=COUNTERSIGN, now=now, because=because
        )
        # It goes on following its service.
        inherited = sorted({*identity.inherited, role})
        Identity.objects.filter(pk=pk).update(inherited=inherited)
        seats_of_owner.follow(identity, was=old, to=to, by=COUNTERSIGN, now=now)


def _unowned(item: SuccessionItem, *, now: datetime) -> None:
    """Nobody is left: its review is opened, and the ladder of its policy is climbed from there."""
    item.state, item.deadline_at = "unowned", None
    about = item.identity
    # What is in an AI system without an owner is reviewed too (untaken.py).
    item.words = "nobody is left who could take it over"
    if item.delegation is not None:
        about = item.delegation.grantee
        item.state, item.words = "noted", f"nobody stands behind {item.delegation.key}"
    if about is None or about.mode == "observe":
        return
    what = "it" if item.delegation is None else item.delegation.key
    try:
        case = opening.open_review(
            identity=about,
            by=COUNTERSIGN,
            now=now,
            reason=f"{item.succession.key}: nobody answers for {what} since"
            f" {item.succession.called} is no longer there.",
        )
    except NotPossible as problem:
        item.words += f"; no review could be opened: {problem}"
    else:
        item.case = case.pk
        item.words += f"; {case.key} is open"


def accept(*, item: SuccessionItem, by: User, now: datetime) -> SuccessionItem:
    """The heir answers for it, and has said so."""
    with transaction.atomic():
        row = _locked(item.pk)
        require(owner_permissions.why_not_answer_item(by, row, now=now))
        row.state = "accepted" if row.delegation is None else "stands"
        _settle(row, by=by, now=now, reason="")
        _note(row, "accepted", f"{acting(by).name} accepts to answer for {about(row)}", by, now)
        _finish(row.succession_id, now=now)
    return row


def decline(*, item: SuccessionItem, reason: str, by: User, now: datetime) -> SuccessionItem:
    """It goes to the next who is there; where nobody is left, its review is opened."""
    with transaction.atomic():
        row = _locked(item.pk)
        require(owner_permissions.why_not_answer_item(by, row, now=now))
        reason = reason_given(reason, what="whoever is asked next reads it")
        _settle(row, by=by, now=now, reason=reason)
        words = f"{acting(by).name} does not answer for {about(row)}: {reason}"
        _note(row, "declined", words, by, now)
        _pass_on(row, now=now)
    return row


def pass_on_next(*, now: datetime) -> bool:
    """A batch of items whose heir was silent for too long, or is gone; and lists that are done."""
    _overtaken(now=now)
    gone = ~Exists(presence.there(now=now).filter(pk=OuterRef("heir")))
    due = SuccessionItem.objects.filter(state="asked").filter(Q(deadline_at__lte=now) | gone)
    pks = list(due.order_by("deadline_at", "pk").values_list("pk", flat=True)[:AT_ONCE])
    over = asking.over_at(pks, now=now)
    for pk in pks:
        with transaction.atomic():
            row = _locked(pk)
            if row.state != "asked" or row.heir is None:
                continue
            there = presence.there(now=now).filter(pk=row.heir.pk).exists()
            if there and (row.deadline_at is None or row.deadline_at > now):
                continue
            at, reached = over[pk]
            if there and at > now:
                # Nobody is silent who was not reached, or could not answer: their time is added.
                row.deadline_at = at
                row.save(update_fields=["deadline_at"])
                continue
            why = "nobody answered in time" if there else f"{row.heir} is no longer there"
            if there and not reached:
                why = questions.REACHED_NOBODY
                asking.tell_undelivered(row, about(row), now=now)
            _note(
                row, "passed_on", f"{about(row)} goes on from {row.heir}: {why}", COUNTERSIGN, now
            )
            _pass_on(row, now=now)
    return bool(pks)


def _pass_on(row: SuccessionItem, *, now: datetime) -> None:
    if row.heir is not None:
        row.tried = [*row.tried, row.heir.pk]
    before = row.heir
    row.state = "asked"
    _next(row, Heirs(row.was, now=now), now=now)
    if row.state == "asked":
        about_it = row.identity or (row.delegation.grantee if row.delegation else None)
        within = Attestation().accept_within_days
        if about_it is not None:
            within = attesting.terms_of([about_it.pk], now=now)[about_it.pk].says.accept_within_days
        row.deadline_at = now + within * DAY
        row.words = f"declined by or passed on from {before}"
    row.save(update_fields=["heir", "tried", "state", "words", "deadline_at", "case"])
    asking.tell(row.succession, [row], now=now)
    _finish(row.succession_id, now=now)


def _locked(pk: UUID) -> SuccessionItem:
    """The item, under the lock of the identity it is about."""
    named = SuccessionItem.objects.values_list("identity", "delegation__grantee").get(pk=pk)
    for identity in named:
        if identity is not None:
            identity_actions.locked(identity)
    return (
        SuccessionItem.objects.select_for_update(of=("self",))
        .select_related(
            "succession__person",
            "succession__team",
            "identity__service",
            "service",
            "delegation__grantee__service",
            "was__person",
            "was__team",
            "heir__person",
            "heir__team",
        )
        .get(pk=pk)
    )


def _settle(row: SuccessionItem, *, by: By, now: datetime, reason: str) -> None:
    who = acting(by)
    row.settled_at, row.settled_reason = now, reason
    row.settled_by, row.settled_by_name = who.ref, who.name
    row.save(
        update_fields=[
            "state",
            "settled_at",
            "settled_reason",
            "settled_by",
            "settled_by_name",
        ]
    )


def about(item: SuccessionItem) -> str:
    """What an item is about, in words."""
    if item.identity is not None:
        return item.identity.name
    if item.service is not None:
        return f"{item.service.name} as {'AI-system owner' if item.role == 'ai_owner' else 'owner'}"
    return f"what {item.delegation.key} grants" if item.delegation is not None else ""


def _note(row: SuccessionItem, act: str, words: str, by: By, now: datetime) -> None:
    who = acting(by)
    ledger.append(
        at=row.deadline_at if act == "passed_on" and row.deadline_at else now,
        recorded_at=now,
        by=who.ref,
        by_name=who.name,
        act=f"succession.{act}",
        subject=row.succession.key,
        words=f"{row.succession.key}: {words}"[:1_000],
        data={"item": str(row.pk), "role": row.role},
    )


def _overtaken(*, now: datetime) -> None:
    """Somebody else answers by now, or whoever was gone is back: nothing waits any more."""
    asked = SuccessionItem.objects.filter(state="asked")
    over = {"state": "over", "settled_at": now}
    asked.filter(identity__isnull=False).filter(
        Q(identity__state="retired") | ~Q(identity__owner=F("heir"))
    ).update(**over)
    granted = Exists(in_force(OuterRef("delegation")))
    asked.filter(~granted, delegation__isnull=False).update(**over)
    settled = SuccessionItem.objects.filter(state__in=["unowned", "noted"])
    for role in ("owner", "backup", "sponsor"):
        mine = settled.filter(role=role, identity__isnull=False)
        mine.exclude(**{f"identity__{role}": F("was")}).update(**over)
    for role in ("owner", "ai_owner", "backup", "sponsor"):
        mine = settled.filter(role=role, service__isnull=False)
        mine.exclude(**{f"service__{role}": F("was")}).update(**over)
    back = presence.there(now=now)
    live = SuccessionItem.objects.filter(state__in=["unowned", "noted", "stands"])
    live.exclude(succession__why="moved").filter(was__in=back.values("pk")).update(**over)
    waiting = SuccessionItem.objects.filter(
        succession=OuterRef("pk"), state__in=["asked", "unowned"]
    )
    Succession.objects.filter(~Exists(waiting), done_at__isnull=True).update(done_at=now)


def _finish(succession: UUID, *, now: datetime) -> None:
    """The list is done when nothing of it waits for anybody."""
    if not SuccessionItem.objects.filter(
        succession=succession, state__in=["asked", "unowned"]
    ).exists():
        Succession.objects.filter(pk=succession, done_at__isnull=True).update(done_at=now)
