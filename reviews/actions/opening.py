"""Opening reviews: by a person, or because findings ask for one.

Owns that an identity has one open review at a time, whatever opens it (the constraint
case_open_review_once), and that a scope that only observes gets a draft nobody is asked about.
Findings that a policy calls serious are asked about alone, and before the others of their identity
(reviews/triggers/serious.py).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from evidence import nudge
from evidence.words import counted
from identities.acting import COUNTERSIGN, By, acting
from identities.actions.findings import OPEN as STANDS
from identities.models import Finding, Identity
from identities.permissions import NotPossible, require
from identities.reasons import LONGEST_REASON, reason_given
from reviews import permissions
from reviews.micro_reviews import SERIOUS
from reviews.models import Campaign, Case, ReviewPolicy

from . import entries, items, policy_versions, rungs, seats
from .policy_versions import in_force as policy_in_force
from .reminders import ask, ask_again

# Asked about in every mode: what they show is not a matter of how authority was written down.
IN_EVERY_MODE = (
    "left_task",
    "no_run",
    "shared_credential",
    "no_mfa",
    "outside_instance",
    "conflicting_trace",
    "interactive_use",
)
LIVE = ("draft", "open")


def open_review(
    *,
    identity: Identity,
    by: By,
    now: datetime,
    reason: str,
    policy: ReviewPolicy | None = None,
    campaign: Campaign | None = None,
) -> Case:
    """Open an access review of an identity, or send out the one that is proposed.

    A second opener is given the case that is open already.
    """
    user = acting(by).user
    with transaction.atomic():
        identity = locked([identity.pk])[0]
        if user is not None:
            require(permissions.why_not_open(user, identity, now=now))
        reason = reason_given(reason, what="what should be looked at, and what for")
        if identity.state == "retired":
            raise NotPossible(f"{identity.name} is retired: there is nothing to review.")
        known = live_review(identity)
        if known is not None and known.state == "open":
            return known
        if known is not None:
            known.policy, known.campaign = policy or known.policy, campaign or known.campaign
            known.save(update_fields=["policy", "campaign"])
            return _start(known, by=by, now=now, reason=reason)
        policy = policy or policy_in_force(now=now)
        how = How(by=by, now=now, reason=reason, policy=policy, campaign=campaign)
        case = _new([identity], how)[0]
        ask(case, now=now)
    return case


def start(*, case: Case, by: By, now: datetime, reason: str) -> Case:
    """Send a proposed review to its seats."""
    user = acting(by).user
    with transaction.atomic():
        case = entries.locked(case.pk)
        if user is not None:
            require(permissions.why_not_start(user, case, now=now))
        reason = reason_given(reason, what="why this is asked now")
        return _start(case, by=by, now=now, reason=reason)


def _start(case: Case, *, by: By, now: datetime, reason: str) -> Case:
    """The clock starts now; items and seats are made anew from what is true now."""
    case = entries.locked(case.pk)
    policy = policy_in_force(now=now) if case.policy is None else case.policy
    _send([case], How(by=by, now=now, reason=reason, policy=policy))
    ask(case, now=now)
    return case


class How(NamedTuple):
    """What reviews that are opened together have in common."""

    by: By
    now: datetime
    reason: str
    policy: ReviewPolicy
    state: str = "open"
    deadline_at: datetime | None = None  # None: as the policy says
    campaign: Campaign | None = None

    @property
    def due(self) -> datetime:
        return self.deadline_at or self.now + timedelta(hours=self.policy.decide_within_hours)


def open_many(identities: Sequence[Identity], how: How) -> list[Case]:
    """The review of each of these locked identities, in their order.

    What is open already joins the campaign unless it is in another one, what is proposed is sent
    out, for the rest one is made; what is sealed is absent, and stays as it is. As many queries as
    for one identity. Nobody is told: many reviews are told of together.
    """
    rows = Case.objects.select_for_update(of=("self",)).select_related("policy", "campaign")
    live = {
        case.identity_id: case
        for case in rows.filter(
            identity__in=identities,
            door="access_review",
            trigger="",
            state__in=LIVE,
            sealed=False,
        )
    }
    for identity in identities:
        if identity.pk in live:
            live[identity.pk].identity = identity
    seen = list(live.values())
    _send([case for case in seen if case.state == "draft"], how)
    joined = [
        case
        for case in seen
        if case.campaign is None or (case.campaign.state == "closed" and not case.campaign.moving)
    ]
    for case in joined:
        case.campaign = how.campaign
    Case.objects.bulk_update(joined, ["campaign"])
    for case in _new([one for one in identities if one.pk not in live], how):
        live[case.identity_id] = case
    return [live[identity.pk] for identity in identities]


def _send(cases: Sequence[Case], how: How) -> None:
    """Send these locked, proposed reviews to their seats."""
    items.build_all([(case, case.identity) for case in cases if case.identity], now=how.now)
    seats.never_alone_all([case for case in cases if case.identity], now=how.now)
    for case in cases:
        case.state = entries.moved(case, "open")
        case.opened_at, case.deadline_at = how.now, how.due
        case.reason, case.policy = how.reason, how.policy
        case.silence = rungs.silence(how.policy, case.identity)
        case.grace = rungs.grace(how.policy)
        case.version += 1
    said = ["state", "opened_at", "deadline_at", "reason", "policy", "silence", "grace", "version"]
    Case.objects.bulk_update(cases, said)
    seats.build_again(cases, now=how.now)
    rungs.make(cases)
    name = acting(how.by).name
    entries.note_all(
        [
            entries.Said(
                case, "case.opened", f"{name} sent {case.key} to its seats: {how.reason}", {}
            )
            for case in cases
        ],
        by=how.by,
        now=how.now,
    )
    nudge.after_commit("case.changed")


def open_from_findings_next(*, now: datetime) -> bool:
    """Give one finding without a case to the review of its identity; False when none waits."""
    with transaction.atomic():
        waiting = _waiting(now=now)
        finding = waiting.select_related("identity").order_by("number").first()
        if finding is None or finding.identity is None:
            return False
        # The identity is locked before any finding is touched: two workers of one identity
        # wait here, and the second sees what the first has done.
        identity = locked([finding.identity.pk])[0]
        if waiting.filter(pk=finding.pk).exists():
            _attach(finding, identity, now=now)
    return True


def _waiting(*, now: datetime) -> QuerySet[Finding]:
    """The findings that ask for the review of their identity, and have no case yet."""
    alone = policy_versions.left_alone(now=now)
    left = Q(rule__in=IN_EVERY_MODE) | ~Q(identity__number__in=alone)
    # Not where people are only watched: there nothing asks, and the review is proposed.
    serious = Finding.objects.filter(
        left, state__in=STANDS, cases__isnull=True, rule__in=serious_rules(now=now)
    ).exclude(identity__mode="observe")
    return (
        Finding.objects.filter(state__in=STANDS, identity__isnull=False, cases__isnull=True)
        # What follows from a refusal is asked where a policy names it (reviews/triggers).
        .exclude(rule="after_refusal")
        .exclude(identity__state="retired")
        .filter(left, ~Q(identity__mode="observe") | Q(rule__in=IN_EVERY_MODE))
        # Whichever worker comes first, what is serious has a case and a time of its own.
        .filter(~Exists(serious.filter(identity=OuterRef("identity"))))
    )


def serious_rules(*, now: datetime) -> tuple[str, ...]:
    """The rules whose findings the policy in force has asked about alone."""
    policy = policy_versions.signed(policy_versions.POLICY)
    if policy is None:
        policy = policy_versions.first(policy_versions.POLICY, now=now)
    asked = policy_versions.document_of(policy).micro_reviews.get(SERIOUS)
    return () if asked is None else asked.rules


def _attach(finding: Finding, identity: Identity, *, now: datetime) -> None:
    case = live_review(identity)
    if case is None:
        # Observing asks nobody: the review is proposed, and a person sends it out.
        state = "draft" if identity.mode == "observe" else "open"
        reason = f"{finding.key}: {finding.words}"
        how = How(COUNTERSIGN, now, reason, policy_in_force(now=now), state=state)
        case = _new([identity], how)[0]
        case.findings.add(finding)
        if state == "open":
            ask(case, now=now)
        return
    case = entries.locked(case.pk)
    case.findings.add(finding)
    made = items.build(case, identity, now=now)
    if seats.never_alone(case, now=now) is not None and case.state == "open":
        ask(case, now=now)
    entries.touched(case.pk)
    for seat in case.seats.filter(person__isnull=False).select_related("person"):
        # Whoever has answered did so without knowing this.
        if seat.person is not None and seat.decisions.filter(superseded_at__isnull=True).exists():
            ask_again(
                case,
                seat.person,
                occasion=f"evidence {finding.key}",
                now=now,
                why="Evidence arrived after your answer. It stands unless you change it.",
            )
    more = f" and {counted(len(made), 'item')}" if made else ""
    entries.note(
        case,
        act="case.evidence",
        words=f"Countersign added {finding.key}{more}: {finding.words}"[:1_000],
        by=COUNTERSIGN,
        now=now,
        data={"finding": str(finding.pk), "items": [str(item.pk) for item in made]},
    )


def live_review(identity: Identity) -> Case | None:
    """The one review of all there is that is proposed or open; micro-reviews stand beside it, and a
    sealed one is absent."""
    return Case.objects.filter(
        identity=identity, door="access_review", trigger="", state__in=LIVE, sealed=False
    ).first()


def locked(identities: Iterable[UUID]) -> list[Identity]:
    """Openers of an identity wait for each other here, so the constraint is never met.

    Without the key: whoever writes findings of the identity meanwhile does not wait for us. In
    the order of their ids, so that two openers of many never wait for each other in a circle.
    """
    return list(
        Identity.objects.select_for_update(of=("self",), no_key=True)
        .select_related(
            "service__owner",
            "service__ai_owner",
            "service__backup",
            "service__sponsor",
            "owner",
            "backup",
            "sponsor",
        )
        .filter(pk__in=identities)
        .order_by("pk")
    )


def _new(identities: Sequence[Identity], how: How) -> list[Case]:
    """A case for each of these locked identities: seats, items, open findings, a ledger entry."""
    who = acting(how.by)
    cases = [
        Case(
            door="access_review",
            state=how.state,
            title=f"Access review: {identity.name}",
            identity=identity,
            policy=how.policy,
            campaign=how.campaign,
            opened_at=how.now,
            opened_by=who.ref,
            opened_by_name=who.name,
            reason=how.reason[:LONGEST_REASON],
            deadline_at=how.due,
            silence=rungs.silence(how.policy, identity),
            grace=rungs.grace(how.policy),
            legal_entity=identity.legal_entity,
        )
        for identity in identities
    ]
    try:
        with transaction.atomic():
            Case.objects.bulk_create(cases)
    except IntegrityError as clash:
        names = ", ".join(one.name for one in identities[:3])
        raise NotPossible(f"{names} is being reviewed already.") from clash
    numbers = dict(
        Case.objects.filter(pk__in=[one.pk for one in cases]).values_list("pk", "number")
    )
    for case in cases:
        case.number = numbers[case.pk]
    of = list(zip(cases, identities, strict=True))
    seated: dict[UUID, list[str]] = {}
    for seat in seats.build_all(of, now=how.now):
        seated.setdefault(seat.case_id, []).append(seat.kind)
    many = Counter(item.case_id for item in items.build_all(of, now=how.now))
    for case, identity in of:
        if not many[case.pk]:
            # Nobody could answer it, and its silence would be about nothing.
            raise NotPossible(f"{identity.name}: there is nothing to decide, so no case is opened.")
    seats.never_alone_all(cases, now=how.now)
    _take_findings(cases)
    if how.state == "open":
        rungs.make(cases)
    verb = "proposed" if how.state == "draft" else "opened"
    entries.note_all(
        [
            entries.Said(
                case,
                f"case.{verb}",
                f"{who.name} {verb} the review of {identity.name}: {case.reason}",
                {
                    "identity": identity.key,
                    "items": many[case.pk],
                    "seats": seated[case.pk],
                    "deadline_at": case.deadline_at.isoformat(),
                    "silence": case.silence,
                },
            )
            for case, identity in of
        ],
        by=how.by,
        now=how.now,
    )
    nudge.after_commit("case.changed")
    return cases


def _take_findings(cases: Sequence[Case]) -> None:
    """The open findings of each identity that no case has yet."""
    of = {case.identity_id: case.pk for case in cases}
    under = Case.findings.through
    under.objects.bulk_create(
        [
            under(case_id=of[identity], finding_id=pk)
            for identity, pk in Finding.objects.filter(
                identity__in=of, state__in=STANDS, cases__isnull=True
            ).values_list("identity", "pk")
        ]
    )
