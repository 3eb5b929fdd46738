"""Writing findings: one open row per identity, rule and family, never deleted (decisions 8)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Max, Min

from evidence.vocabulary import INFERRED
from evidence.words import counted
from identities.findings import CONTROLS, Candidate
from identities.models import Finding, FindingEvent, Identity

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Rows that still take events in; a settled one stays as it was settled.
LIVE = ("open", "confirmed")
# More events than this under one finding say nothing new; the count goes on.
MOST_EVENTS = 1_000


class Key(NamedTuple):
    """What makes a finding one row."""

    identity: int | None  # Identity.number
    actor: int | None
    rule: str
    family: str


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def record(
    wanted: Iterable[Candidate], looked_at: Iterable[tuple[datetime, int]], *, now: datetime
) -> list[Finding]:
    """Open or extend findings from positive rules; take back what no longer holds.

    `looked_at`: every event that was judged: a finding keeps one only if it is a candidate now.
    """
    groups: dict[Key, list[Candidate]] = {}
    for candidate in wanted:
        key = Key(candidate.identity, None, candidate.rule, candidate.family)
        groups.setdefault(key, []).append(candidate)
    changed = []
    holds: set[tuple[Key, datetime, int]] = set()
    for key, members in groups.items():
        events = [(moment(one.at), one.event, one.strength, one.reason) for one in members]
        holds |= {(key, at, event) for at, event, _, _ in events}
        trace = members[0].trace
        finding = extend(key, events, trace=trace, details={}, now=now)
        if finding is not None:
            changed.append(finding)
    _take_back(holds, looked_at, now=now)
    return changed


def extend(
    key: Key,
    events: list[tuple[datetime, int, int, str]],
    *,
    trace: str,
    details: Mapping[str, Any],
    now: datetime,
) -> Finding | None:
    """Add events to the finding of this key, opening it when there is none.

    Events that a settled finding of the key already holds do not open it again.
    """
    rows = Finding.objects.filter(actor_id=key.actor, rule=key.rule, family=key.family)
    rows = (
        rows.filter(identity__isnull=True)
        if key.identity is None
        else rows.filter(identity__number=key.identity)
    )
    settled = set(
        FindingEvent.objects.filter(finding__in=rows.exclude(state__in=[*LIVE, "withdrawn"]))
        .filter(event_id__in=[event for _, event, _, _ in events])
        .values_list("at", "event_id")
    )
    fresh = [one for one in events if (one[0], one[1]) not in settled]
    if not fresh:
        return None
    finding = rows.filter(state__in=LIVE).select_for_update(of=("self",)).first()
    if finding is None:
        # The same behaviour found again after its evidence was taken back is the same row.
        finding = (
            rows.filter(state="withdrawn").select_for_update(of=("self",)).order_by("number").last()
        )
        if finding is not None:
            finding.state, finding.state_at, finding.state_by = "open", now, "countersign"
            finding.state_reason = ""
            finding.save(update_fields=["state", "state_at", "state_by", "state_reason"])
    if finding is None:
        identity = None if key.identity is None else Identity.objects.get(number=key.identity)
        finding = Finding.objects.create(
            identity=identity,
            actor_id=key.actor,
            rule=key.rule,
            family=key.family,
            trace=trace or None,
            strength=max(strength for _, _, strength, _ in fresh),
            words="",
            first_at=min(at for at, _, _, _ in fresh),
            last_at=max(at for at, _, _, _ in fresh),
            controls=list(CONTROLS[key.rule]),
            details=dict(details),
            opened_at=now,
            state_at=now,
        )
    elif details and finding.details != details:
        finding.details = dict(details)
        finding.save(update_fields=["details"])
    FindingEvent.objects.bulk_create(
        [
            FindingEvent(finding=finding, at=at, event_id=event, strength=strength, reason=reason)
            for at, event, strength, reason in fresh
        ],
        update_conflicts=True,
        unique_fields=["finding", "at", "event_id"],
        update_fields=["strength", "reason"],
    )
    total(finding, now=now)
    return finding


def total(finding: Finding, *, now: datetime, cause: str = "later evidence explains it") -> None:
    """Count a finding's events again; without any it is withdrawn, and says why."""
    sums = finding.events.aggregate(
        count=Count("id"), first=Min("at"), last=Max("at"), strength=Max("strength")
    )
    if not sums["count"]:
        if finding.state in LIVE:
            finding.state, finding.state_at, finding.state_by = "withdrawn", now, "countersign"
            finding.state_reason, finding.count = cause, 0
            finding.save(update_fields=["state", "state_at", "state_by", "state_reason", "count"])
        return
    finding.count = sums["count"]
    finding.first_at, finding.last_at = sums["first"], sums["last"]
    finding.strength = INFERRED if finding.rule == "no_run" else sums["strength"]
    finding.words = words(finding)
    finding.save(update_fields=["count", "first_at", "last_at", "strength", "words"])


def words(finding: Finding) -> str:
    """The sentence a person reads."""
    times = "once" if finding.count == 1 else f"{finding.count} times"
    said = {
        "no_authority": f"acted on {finding.family or 'no named resource'} {times}"
        " without a delegation for it",
        "outside_resources": f"used {finding.family} {times}, outside what was delegated",
        "after_expiry": f"used {finding.family} {times} after the delegation had ended",
        "after_revocation": f"used {finding.family} {times} after it was revoked or held",
        "left_task": f"one run did {counted(finding.count, 'thing')} outside its authority,"
        " among them reading a secret or minting a credential",
        "shared_credential": f"key {finding.details.get('credential', finding.family)} was used"
        f" by {' and '.join(finding.details.get('agents', []))},"
        " which are not bound to it together",
        "no_run": f"{counted(finding.count, 'call')} from {finding.details.get('address', 'an address')}"
        " with no run behind it, from an address never seen with one",
    }
    return said[finding.rule]


def _take_back(
    holds: set[tuple[Key, datetime, int]],
    looked_at: Iterable[tuple[datetime, int]],
    *,
    now: datetime,
) -> None:
    """Events that were under a positive finding and are no longer: removed, with the finding
    withdrawn when none is left."""
    events = {event for _, event in looked_at}
    if not events:
        return
    rows = (
        FindingEvent.objects.filter(event_id__in=events, finding__state__in=LIVE)
        .exclude(finding__rule__in=["no_run", "shared_credential"])
        .select_related("finding", "finding__identity")
    )
    emptied: dict[Any, Finding] = {}
    gone = []
    for row in rows:
        found = row.finding
        number = None if found.identity is None else found.identity.number
        key = Key(number, found.actor_id, found.rule, found.family)
        if (key, row.at, row.event_id) not in holds:
            gone.append(row.pk)
            emptied[found.pk] = found
    if gone:
        FindingEvent.objects.filter(pk__in=gone).delete()
        for found in emptied.values():
            total(found, now=now, cause="judged again: it is inside the authority as known now")
