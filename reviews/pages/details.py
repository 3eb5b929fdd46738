"""One finding, one credential, one run: the contexts of their pages."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import connection

from evidence.intake.admitting import micros
from evidence.models import Actor, Run
from evidence.vocabulary import ACTIVITIES, KEY, LINK_STRENGTHS, OUTCOMES, proof_words
from identities import permissions, visible
from identities.actions.findings import DISPOSITIONS, proposed
from identities.judging import key_networks
from identities.judging.key_users import seen_with
from identities.models import Binding, Credential, Finding, Identity, Revocation, User
from reviews.actions import policy_versions
from reviews.actions.opening import IN_EVERY_MODE
from reviews.pages import answers, issued_with, lists, room_acts, rows

MOST_EVENTS = 100
MOST_SPANS = 500
MOST_EFFECTS = 2_000


def _crumbs(words: str, url: str, key: str) -> list[dict[str, str]]:
    return [{"words": words, "url": url}, {"words": key, "url": ""}]


def _left_alone(one: Finding, *, now: datetime) -> str:
    """Why no review is opened of it: its identity is exempt for now."""
    if one.identity is None or one.state != "open" or one.rule in IN_EVERY_MODE:
        return ""
    return policy_versions.why_left_alone(one.identity, now=now)


def _named(identity: Identity | None) -> dict[str, str] | None:
    if identity is None:
        return None
    return {"key": identity.key, "name": identity.name, "url": f"/identities/{identity.key}/"}


def finding(one: Finding, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/finding.html."""
    cases = lists.cases_of([one], user, now=now)
    keys = list(one.events.order_by("-at", "-event_id").values_list("at", "event_id")[:MOST_EVENTS])
    why_not = permissions.why_not_dispose_finding(user, one, now=now) or ""
    details = [
        {
            "label": label.replace("_", " "),
            "words": ", ".join(value) if isinstance(value, list) else str(value),
            "kind": "neutral",
        }
        for label, value in one.details.items()
    ]
    if one.trace is not None:
        run = Run.objects.filter(trace=one.trace).first()
        if run is not None:
            details.append({"label": "run", "words": run.key, "url": f"/runs/{run.key}/"})
    if one.rule == "no_run" and one.actor_id is not None:
        said = key_networks.of_key(one.actor_id)
        details.append({"label": "networks of the key", "words": said, "kind": "neutral"})
    alone = _left_alone(one, now=now)
    if alone:
        details.append({"label": "no review", "words": alone, "kind": "neutral"})
    row = lists.finding_row(one, cases, proposed([one.key]))
    return {
        "section": "findings",
        "title": f"{one.key} {row['kind_words']}",
        "crumbs": _crumbs("Findings", "/findings/", one.key),
        "finding": {
            **row,
            "details": details,
            "state_by": lists.settled_by(one),
            "state_at": one.state_at,
            "state_reason": one.state_reason,
        },
        "events": rows.of_keys(keys, one.identity.number if one.identity else None),
        "events_url": f"/events/?{urlencode({'finding': one.key})}",
        "identity": _named(one.identity),
        "answers": answers.three(one.identity, now) if one.identity else None,
        "acts": room_acts.opening(one.identity, user, now=now, finding=one.key),
        "dispose": {
            "url": f"/findings/{one.key}/dispose/",
            "options": list(DISPOSITIONS),
            "why_not": why_not,
        },
        "assign": {
            "url": f"/findings/{one.key}/assign/",
            "people": [
                {"value": str(who.pk), "words": who.called, "on": who.pk == one.assignee_id}
                for who in User.objects.filter(
                    is_active=True, groups__name__in=["reviewer", "responder", "owner"]
                )
                .select_related("person")
                .distinct()
                .order_by("username")[:50]
            ],
            "why_not": why_not,
        },
        "cases": [
            {
                "key": case.key,
                "url": f"/cases/{case.key}/",
                "door": case.door,
                "what": case.title,
                "signals": [],
                "who": "",
                "due_at": case.deadline_at,
            }
            for case in cases.values()
        ],
    }


def credential(one: Credential, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/credential.html."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, id FROM evidence_event WHERE credential_id = %s"
            " ORDER BY at DESC, id DESC LIMIT 50",
            [one.actor_id],
        )
        keys = cursor.fetchall()
        cursor.execute(
            "SELECT at, event_id FROM evidence_issuance WHERE credential_id = %s"
            " ORDER BY at, event_id LIMIT 1",
            [one.actor_id],
        )
        issued = cursor.fetchall()
    uses = seen_with(one.actor_id).order_by("-last_at")[:20]
    names = dict(
        Actor.objects.filter(pk__in=[use.agent_actor for use in uses]).values_list("pk", "value")
    )
    number = one.identity.number if one.identity else None
    children = (
        Credential.objects.filter(actor__issuances__by_credential=one.actor_id)
        .select_related("actor", "issued_by", "seen_with", "identity")
        .distinct()
        .order_by("-issued_at")[:20]
    )
    query = urlencode({"actor": one.actor_id})
    return {
        "section": "credentials",
        "title": f"{one.key} {one.short}",
        "crumbs": _crumbs("Credentials", "/credentials/", one.key),
        "credential": {
            **lists.credential_row(one),
            "actor": one.actor.value,
            "realm": one.actor.realm,
            "issued_to": one.issued_to.value if one.issued_to else "",
            "state_at": one.state_at,
        },
        "identity": _named(one.identity),
        "answers": answers.three(one.identity, now) if one.identity else None,
        "issued_event": next(iter(rows.of_keys(issued, number)), None),
        "states": [
            {
                "state": row.state,
                "from": row.during.lower,
                "to": row.during.upper,
                "because": row.because,
            }
            for row in one.states.filter(superseded_at__isnull=True).order_by("during")
        ],
        "revocations": list(
            Revocation.objects.filter(credential=one)
            .select_related("cause")
            .prefetch_related("statements")
            .order_by("-requested_at")[:20]
        ),
        "along": _along(one, user, now=now),
        "children": [lists.credential_row(child) for child in children],
        "agents": [
            {
                "name": names.get(use.agent_actor, "not named"),
                "count": None,
                "first_at": use.first_at,
                "last_at": use.last_at,
                "url": f"/events/?{urlencode({'actor': use.agent_actor})}",
            }
            for use in uses
        ],
        "events": rows.of_keys(keys, number),
        "events_url": f"/events/?{query}",
        "acts": credential_acts(one, user, now=now),
    }


def _along(one: Credential, user: User, *, now: datetime) -> str:
    """What stops with it, of all that this user's hold would stop."""
    if one.identity is None:
        return ""
    others = permissions.stops_others(user)
    return issued_with.before(one, one.identity, others=others, now=now)[0]


def credential_acts(one: Credential, user: User, *, now: datetime) -> list[dict[str, Any]]:
    """Holding or releasing it, with why this user may not; revoking takes both seats of a case."""
    if one.identity is None:
        why = "Bind this credential to an identity first."
    elif one.state in ("revoked", "expired"):
        why = f"It is {one.state} already."
    else:
        why = permissions.why_not_hold(user, one.identity, now=now) or ""
    step, icon = ("release", "lock-open") if one.state == "held" else ("hold", "hourglass")
    url = f"/credentials/{one.key}/{step}/"
    return [{"words": step.capitalize(), "url": url, "why_not": why, "icon": icon}]


def run(one: Run, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/run.html: the spans as a tree, with the API events they caused."""
    identity = identity_of(one, user, now=now)
    spans = _spans(one)
    found = (
        visible.findings(user, now=now)
        .filter(trace=one.trace)
        .select_related("identity", "assignee__person")
        .order_by("number")
    )
    duration = micros(one.last_at) - micros(one.first_at)
    return {
        "section": "identities",
        "title": one.key,
        "crumbs": _crumbs(
            identity.name if identity else "Identities",
            f"/identities/{identity.key}/" if identity else "/identities/",
            one.key,
        ),
        "acts": room_acts.opening(identity, user, now=now, run=one.key),
        "run": {
            "key": one.key,
            "agent": str(one.agent or one.service or "not named"),
            "agent_url": f"/identities/{identity.key}/" if identity else "",
            "service": str(one.service) if one.service else "",
            "task": str(one.task) if one.task else "",
            "conversation": str(one.conversation) if one.conversation else "",
            "release": str(one.release) if one.release else "",
            "first_at": one.first_at,
            "last_at": one.last_at,
            "duration_us": duration,
            "ended": one.ended,
            "spans": one.spans,
            "tool_calls": one.tool_calls,
            "model_calls": one.model_calls,
            "api_calls": one.api_calls,
            "failed": one.failed,
            "source": one.source.title or one.source.name,
            "source_url": f"/sources/{one.source.name}/",
            "trace": one.trace.hex,
        },
        "identity": _named(identity),
        "answers": answers.three(identity, now) if identity else None,
        "spans": spans,
        "page": {
            "first": 1 if spans else 0,
            "last": len(spans),
            "total": one.spans,
            "prev_url": "",
            "next_url": "",
        },
        "findings": [lists.finding_row(row, {}) for row in found],
    }


def identity_of(one: Run, user: User, *, now: datetime) -> Identity | None:
    actors = [actor for actor in (one.agent_id, one.service_id) if actor is not None]
    bound = (
        Binding.objects.filter(actor_id__in=actors, state="confirmed", superseded_at__isnull=True)
        .order_by("pk")
        .values_list("identity_id", flat=True)
    )
    return visible.identities(user, now=now).filter(pk__in=list(bound)).first()


def _actors_reached(cursor: Any, spans: list[tuple[Any, ...]]) -> list[int]:
    cursor.execute(
        "SELECT DISTINCT u.id FROM unnest(%s::timestamptz[], %s::bigint[]) AS k(at, id)"
        " JOIN evidence_link l ON l.cause_at = k.at AND l.cause_id = k.id"
        " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
        " LEFT JOIN evidence_actor p ON p.id = e.principal_id"
        " CROSS JOIN LATERAL (VALUES (e.principal_id), (p.parent_id), (e.credential_id)) AS u(id)"
        " WHERE u.id IS NOT NULL",
        [[row[0] for row in spans], [row[1] for row in spans]],
    )
    return [row[0] for row in cursor.fetchall()]


def _spans(one: Run) -> list[dict[str, Any]]:
    """Spans in pre-order, children by time; orphans stand at the root."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.at, e.id, e.span, e.parent_span, e.activity, t.value, e.duration, e.outcome"
            " FROM evidence_event e JOIN evidence_term t ON t.id = e.action_id"
            " WHERE e.trace = %s AND e.source_id = %s ORDER BY e.at, e.id LIMIT %s",
            [one.trace, one.source_id, MOST_SPANS],
        )
        spans = cursor.fetchall()
        # Verdicts are found by identity: those of the principals that these spans reach.
        cursor.execute(
            "SELECT DISTINCT b.identity_id FROM identities_binding b"
            " WHERE b.actor_id = ANY(%s) AND b.superseded_at IS NULL",
            [_actors_reached(cursor, spans)],
        )
        bound = [row[0] for row in cursor.fetchall()]
        whose = list(Identity.objects.filter(pk__in=bound).values_list("number", flat=True))
        cursor.execute(
            "WITH k(at, id) AS (SELECT * FROM unnest(%s::timestamptz[], %s::bigint[])) "
            "SELECT l.cause_at, l.cause_id, l.strength, l.proof, t.value, coalesce(r.value, ''),"
            " e.at, e.id, (SELECT max(a.verdict) FROM identities_attribution a"
            "  WHERE a.identity_no = ANY(%s) AND a.at = e.at AND a.event_id = e.id), l.runs, l.surplus"
            " FROM (SELECT DISTINCT effect_at, effect_id FROM k"
            "  JOIN evidence_link ON cause_at = k.at AND cause_id = k.id) d"
            " JOIN evidence_shownlink l ON l.effect_at = d.effect_at AND l.effect_id = d.effect_id"
            " JOIN k ON k.at = l.cause_at AND k.id = l.cause_id"
            " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
            " JOIN evidence_term t ON t.id = e.action_id"
            " LEFT JOIN evidence_term r ON r.id = e.resource_id ORDER BY e.at, e.id LIMIT %s",
            [[row[0] for row in spans], [row[1] for row in spans], whose, MOST_EFFECTS],
        )
        linked: dict[tuple[datetime, int], list[tuple[Any, ...]]] = {}
        for row in cursor.fetchall():
            linked.setdefault((row[0], row[1]), []).append(row)
    by_key = (row for effects in linked.values() for row in effects if row[2] == KEY)
    unlearned = key_networks.not_learned(row[6:8] for row in by_key)
    known = {row[2] for row in spans}
    children: dict[int | None, list[tuple[Any, ...]]] = {}
    for row in spans:
        parent = row[3] if row[3] in known and row[3] != row[2] else None
        children.setdefault(parent, []).append(row)
    whole = max(micros(one.last_at) - micros(one.first_at), 1)
    start = micros(one.first_at)
    out: list[dict[str, Any]] = []
    stack = [(row, 0) for row in reversed(children.get(None, []))]
    seen: set[int] = set()
    while stack:
        row, depth = stack.pop()
        if row[1] in seen:
            continue
        seen.add(row[1])
        effects = linked.get((row[0], row[1]), [])
        offset = min(100.0, max(0.0, 100 * (micros(row[0]) - start) / whole))
        out.append(
            {
                "depth": min(depth, 12),
                "name": row[5],
                "kind": ACTIVITIES[row[4]],
                "at": row[0],
                "duration_us": row[6] or 0,
                "offset_share": round(offset, 1),
                "width_share": round(min(100 - offset, max(0.5, 100 * (row[6] or 0) / whole)), 1),
                "outcome": OUTCOMES[row[7]],
                "verdict": "outside"
                if any(effect[8] == 2 for effect in effects)
                else "inside"
                if any(effect[8] == 1 for effect in effects)
                else "",
                "url": f"/events/{micros(row[0])}-{row[1]}/",
                "links": [
                    {
                        "strength": LINK_STRENGTHS[effect[2]],
                        "words": f"{effect[4]} {effect[5]}".strip(),
                        "url": f"/events/{micros(effect[6])}-{effect[7]}/",
                        "proof": proof_words(
                            effect[3], *effect[9:11], learned=effect[6:8] not in unlearned
                        ),
                    }
                    for effect in effects
                ],
            }
        )
        stack += [(child, depth + 1) for child in reversed(children.get(row[2], []))]
    return out
