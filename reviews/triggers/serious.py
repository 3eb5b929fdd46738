"""Serious findings: the thing each speaks of, and the trigger that asks about it alone.

Owns which thing that is: the smallest one that the finding names and an answer can stop, else the
identity itself. Looks at the newest events of a batch of findings at once, with a bound on each.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from evidence.keys import key_of
from identities.findings import family, sensitive
from identities.models import Finding, Identity
from reviews.actions import reviewable
from reviews.actions.opening import IN_EVERY_MODE
from reviews.micro_reviews import SERIOUS, Asked
from reviews.models import Case, Trigger
from reviews.shown import LIVE, covers

from .noting import MOST, trigger
from .refused import refusals

# What a finding of each rule speaks of, the first that is there and is one. Of these, everything
# but a call can be stopped by an answer; a call is refused.
SPEAKS_OF: dict[str, tuple[str, ...]] = {
    "no_run": ("credential",),
    "shared_credential": ("credential",),
    "after_revocation": ("credential",),
    "left_task": ("credential", "use"),
    "no_authority": ("entitlement", "credential"),
    "outside_resources": ("entitlement", "delegation", "credential"),
    "after_expiry": ("entitlement", "credential"),
    "no_mfa": ("credential",),
    "outside_instance": ("credential",),
    "interactive_use": ("credential",),
    # It accuses no credential: the identity is asked about.
    "conflicting_trace": (),
}
# Looked at of each finding, the newest first.
MOST_EVENTS = 100
SEEN = """
SELECT f.id, e.credential_id, p.value, above.value, e.action_id, a.value, coalesce(r.value, ''),
    min(e.at)
FROM unnest(%s::uuid[]) AS f(id)
CROSS JOIN LATERAL (
    SELECT at, event_id FROM identities_findingevent WHERE finding_id = f.id
    ORDER BY at DESC, event_id DESC LIMIT %s) under
JOIN evidence_event e ON e.at = under.at AND e.id = under.event_id
JOIN evidence_term a ON a.id = e.action_id
LEFT JOIN evidence_term r ON r.id = e.resource_id
LEFT JOIN evidence_actor p ON p.id = e.principal_id
LEFT JOIN evidence_actor above ON above.id = p.parent_id
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


class Row(NamedTuple):
    """What some events under a finding have in common."""

    credential: int | None
    principal: str | None
    above: str | None  # the longer-lived actor behind the principal
    action: int
    name: str
    resource: str
    first_at: datetime


class Thing(NamedTuple):
    """What is asked about: an item's kind and reference, its title, what it keeps beside it."""

    kind: str
    ref: UUID
    title: str
    facts: Mapping[str, object] = {}


class Known(NamedTuple):
    """What can be decided about the identities of a batch."""

    credentials: Mapping[tuple[UUID | None, int], Thing]  # by identity and actor
    entitlements: Mapping[tuple[UUID | None, str], Thing]  # by identity and principal
    delegations: Mapping[UUID | None, Sequence[tuple[Thing, Sequence[str]]]]  # with their actions
    refused: frozenset[tuple[UUID | None, UUID | None]]  # uses, by identity


def asks(asked: Asked, now: datetime) -> list[Trigger]:
    """One question for each finding of these rules that no case asks about yet.

    One that was withdrawn and is found again is a new question.
    """
    noted = Trigger.objects.alias(of=KT("facts__finding")).filter(
        identity=OuterRef("identity"),
        name=SERIOUS,
        of=Cast(OuterRef("pk"), TextField()),
        found_at__gte=OuterRef("state_at"),
    )
    rows = list(
        Finding.objects.filter(
            ~Exists(noted),
            rule__in=asked.rules,
            state__in=LIVE,
            identity__isnull=False,
            cases__isnull=True,
        )
        .exclude(identity__state="retired")
        # The review of all there is is proposed of these (reviews/actions/opening.py).
        .exclude(identity__mode="observe", rule__in=IN_EVERY_MODE)
        .select_related("identity")
        .order_by("number")[:MOST]
    )
    found = things(rows, now=now)
    return [
        _question(one, one.identity, found[one.pk], now=now)
        for one in rows
        if one.identity is not None
    ]


def _question(finding: Finding, identity: Identity, thing: Thing, *, now: datetime) -> Trigger:
    return trigger(
        SERIOUS,
        identity,
        subject=f"{finding.pk} {finding.state_at.isoformat()}",
        about=thing.ref,
        title=thing.title,
        words=f"{finding.key}: {finding.words}.",
        at=finding.last_at,
        now=now,
        links=[
            (finding.key, f"/findings/{finding.key}/"),
            ("Its events", f"/events/?{urlencode({'finding': finding.key})}"),
        ],
        facts={
            "finding": str(finding.pk),
            "key": finding.key,
            "rule": finding.rule,
            "kind": thing.kind,
            **thing.facts,
        },
    )


def itself(identity: Identity) -> Thing:
    """The identity as a whole."""
    return Thing("identity", identity.pk, f"{identity.name} as it is")


def things(findings: Sequence[Finding], *, now: datetime) -> dict[UUID, Thing]:
    """The thing that each of these findings speaks of; they have an identity."""
    seen = _seen(findings)
    known = _known(findings, seen, now=now)
    found = {}
    for one in findings:
        if one.identity is None:
            continue
        of = (OF[kind](one, seen.get(one.pk, []), known) for kind in SPEAKS_OF.get(one.rule, ()))
        found[one.pk] = next((thing for thing in of if thing is not None), itself(one.identity))
    return found


def _seen(findings: Sequence[Finding]) -> dict[UUID, list[Row]]:
    rows: dict[UUID, list[Row]] = {}
    with connection.cursor() as cursor:
        cursor.execute(SEEN, [[one.pk for one in findings], MOST_EVENTS])
        for pk, *said in cursor.fetchall():
            rows.setdefault(pk, []).append(Row(*said))
    return rows


def _known(
    findings: Sequence[Finding], seen: Mapping[UUID, Sequence[Row]], *, now: datetime
) -> Known:
    of = {one.identity_id for one in findings}
    rows = [row for here in seen.values() for row in here]
    actors = {row.credential for row in rows} | {one.actor_id for one in findings}
    names = {row.principal for row in rows} | {row.above for row in rows}
    delegations: dict[UUID | None, list[tuple[Thing, Sequence[str]]]] = {}
    in_force = reviewable.delegations(now).filter(
        state="in_force", revoked_at__isnull=True, delegation__grantee__in=of
    )
    for row in in_force.select_related("delegation"):
        thing = Thing("delegation", row.delegation_id, f"Delegation {row.delegation.key}")
        delegations.setdefault(row.delegation.grantee_id, []).append((thing, row.actions))
    return Known(
        credentials={
            (one.identity_id, one.actor_id): Thing("credential", one.pk, f"Credential {one.short}")
            for one in reviewable.credentials()
            .filter(identity__in=of, actor__in=actors - {None})
            .select_related("actor")
        },
        entitlements={
            (one.identity_id, one.principal): Thing(
                "entitlement", one.pk, f"What {one.system.upper()} allows {one.principal}"
            )
            for one in reviewable.entitlements(now).filter(
                identity__in=of, principal__in=names - {None}
            )
        },
        delegations=delegations,
        refused=frozenset(
            refusals().filter(case__identity__in=of).values_list("case__identity", "ref")
        ),
    )


def _credential(finding: Finding, seen: Sequence[Row], known: Known) -> Thing | None:
    """The one standing credential that all of it was done with."""
    actors = {finding.actor_id} if finding.actor_id else {row.credential for row in seen}
    return _only([known.credentials.get((finding.identity_id, one or 0)) for one in actors])


def _entitlement(finding: Finding, seen: Sequence[Row], known: Known) -> Thing | None:
    """The one reading of what the target allows the principal that did it."""
    of = finding.identity_id
    return _only(
        [
            known.entitlements.get((of, row.principal or ""))
            or known.entitlements.get((of, row.above or ""))
            for row in seen
        ]
    )


def _delegation(finding: Finding, seen: Sequence[Row], known: Known) -> Thing | None:
    """The one delegation of these actions, beside whose resources they were."""
    rows = known.delegations.get(finding.identity_id, [])
    names = {row.name for row in seen}
    those = [thing for thing, actions in rows if all(covers(actions, name) for name in names)]
    return _only(those) if names else None


def _use(finding: Finding, seen: Sequence[Row], known: Known) -> Thing | None:
    """The one call by which a run read a secret or minted a credential, unless it is refused."""
    calls = {(row.action, row.name, family(row.resource)) for row in seen if sensitive(row.name)}
    if len(calls) != 1:
        return None
    action, name, where = calls.pop()
    ref = key_of("use", "call", name, where)
    if (finding.identity_id, ref) in known.refused:
        return None
    return Thing(
        "use",
        ref,
        f"Call {name} on {where or 'no stated resource'}",
        {
            "action": action,
            "name": name,
            "tool": False,
            "family": where,
            "first_at": min(row.first_at for row in seen if row.action == action).isoformat(),
        },
    )


def _only(found: Sequence[Thing | None]) -> Thing | None:
    """The one that all of these are."""
    refs = {None if one is None else one.ref for one in found}
    return found[0] if len(refs) == 1 else None


OF = {
    "credential": _credential,
    "entitlement": _entitlement,
    "delegation": _delegation,
    "use": _use,
}


def widen(row: Trigger, identity: Identity) -> None:
    """The thing is gone, what the finding says is not: the identity is asked about."""
    whole = itself(identity)
    row.about, row.title = whole.ref, whole.title
    row.facts = row.facts | {"kind": whole.kind}


def still_asked(waiting: Iterable[Trigger]) -> list[Trigger]:
    """Of these locked triggers those that are still to be asked about; what became of the others
    meanwhile is written: their finding was settled or withdrawn, or a case has it."""
    rows = list(waiting)
    about = [row.facts["finding"] for row in rows if row.name == SERIOUS]
    if not about:
        return rows
    findings = {str(one.pk): one for one in Finding.objects.filter(pk__in=about)}
    sent: dict[str, Case] = {}
    under = Case.findings.through.objects.filter(finding__in=about).select_related("case")
    # What was only proposed asks nobody.
    for pair in under.exclude(case__state__in=["draft", "cancelled"]).order_by("case__number"):
        sent[str(pair.finding_id)] = pair.case
    over = []
    for row in rows:
        finding = findings.get(row.facts["finding"]) if row.name == SERIOUS else None
        case = None if finding is None else sent.get(str(finding.pk))
        if finding is not None and finding.state not in LIVE:
            row.state, row.known_why = "known", _settled(finding)
        elif case is not None and case.state == "open" and not case.sealed:
            row.state, row.case = "joined", case
        elif case is not None:
            row.state, row.known_why = "known", "a case has it already"
        else:
            continue
        over.append(row)
    Trigger.objects.bulk_update(over, ["state", "case", "known_why"])
    return [row for row in rows if row.state == "waiting"]


def _settled(finding: Finding) -> str:
    how = "withdrawn" if finding.state == "withdrawn" else f"settled as {finding.state}"
    return f"{finding.key} was {how} before anybody was asked"
