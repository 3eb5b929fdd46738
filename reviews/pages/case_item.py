"""One item of a case page: its row, the evidence beside it, the form to answer it."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from evidence.intake.admitting import micros
from evidence.models import Issuance, Looked
from evidence.words import counted
from identities.judging.key_users import seen_with
from identities.judging.verdicts import grant_of
from identities.models import Credential
from reviews import permissions, shown, standing
from reviews.actions import answers as answer_table
from reviews.actions import below, quarantining, versions
from reviews.models import Decision, Item
from reviews.pages import at_target, beside, breaks, combination, left, rows, weighing
from reviews.permissions import SEAT_WORDS, SIGNING

if TYPE_CHECKING:
    from reviews.pages.case import Parts

NOTES = {
    ("credential", "keep"): "the key stays, or becomes active again",
    ("credential", "replace"): "it ends on a date, with a plan",
    ("credential", "revoke"): "delete the key at its system",
    ("delegation", "keep"): "it stays as it is, signed",
    ("delegation", "narrow"): "only what is left below",
    ("delegation", "replace"): "it ends on a date, with a plan",
    ("delegation", "revoke"): "it ends at once, with what was passed on",
    ("entitlement", "keep"): "the target goes on allowing it",
    ("entitlement", "narrow"): "down to what is delegated",
    ("entitlement", "revoke"): "the target denies everything",
    ("binding", "keep"): "it is this identity",
    ("binding", "revoke"): "it is not this identity",
    ("grant", "approve"): "comes into force when all seats approve",
    ("grant", "deny"): "nothing is granted",
    ("use", "keep"): "it may go on being used",
    ("use", "revoke"): "refused: it has to be taken out of the agent, its next use asks again",
    ("identity", "keep"): "it goes on as it is",
    ("identity", "revoke"): "it is suspended and its keys are held, until it is resumed or retired;"
    " a draft is refused for good",
    ("step", "approve"): "done when all seats approve; resuming releases the keys held with it",
    ("step", "deny"): "not done: what is suspended stays suspended",
    ("manifest", "approve"): "signed when all seats approve: its runs are asked about no more",
    ("manifest", "deny"): "the release is not signed",
}
# What becomes of what was held for some days first.
GOOD = {"revoke": "gone", "narrow": "narrowed"}


def row(item: Item, on: bool, parts: "Parts") -> dict[str, Any]:
    """The item in the table of items."""
    seen = item.snapshot
    findings = seen.get("findings", [])
    key = parts.case.identity.key if parts.case.identity is not None else ""
    first, last = (
        parse_datetime(seen[name]) if seen.get(name) else None for name in ("first_at", "last_at")
    )
    return {
        "id": str(item.pk),
        "url": f"?item={item.pk}",
        "on": on,
        "kind": item.kind,
        "title": item.title,
        "note": item.note,
        "usage": usage(item),
        "usage_note": _span(first, last),
        "usage_url": seen.get("events_url", f"/events/?identity={key}")
        if seen.get("count")
        else "",
        "usage_share": round(100 * seen["seen"] / seen["actions"]) if seen.get("actions") else None,
        "findings": len(findings),
        "withdrawn": sum(item.pk in one.items for one in parts.withdrawals),
        "findings_url": f"/findings/?identity={key}",
        "recommendation": item.recommendation,
        "recommendation_reason": unadvised(item) or item.recommendation_reason,
        "beside": parts.beside.get(item.pk),
        "answers": [_answer(item, seat.pk, parts) for seat in parts.shown],
        "outcome": _outcome(item, parts),
    }


def unadvised(item: Item) -> str:
    """That nothing is recommended, and why; "" where something is."""
    if item.recommendation:
        return ""
    why = item.recommendation_reason or "nothing in evidence speaks for or against it"
    return f"No recommendation: {why}"


def _span(first: datetime | None, last: datetime | None) -> str:
    if last is None:
        return ""
    since = "" if first is None or first == last else f"first {first:%-d %b %Y}, "
    return f"{since}last {last:%-d %b %H:%M} UTC"


def usage(item: Item) -> str:
    """What its snapshot says of its use, in a few words."""
    seen = item.snapshot
    if seen.get("actions"):
        if not seen.get("evidence"):
            return "no evidence"
        return f"{seen['seen']} of {seen['actions']} seen"
    if "allowed" in seen:
        return counted(seen["allowed"], "action pattern")
    if item.kind == "credential":
        return str(seen["words"]) if seen.get("count") else "no use in evidence"
    return str(seen.get("words", ""))


def _answer(item: Item, seat: Any, parts: "Parts") -> dict[str, Any]:
    given = parts.decisions.get((item.pk, seat))
    if given is not None:
        note = "before a new finding" if parts.stale(given) else ""
        return {"kind": given.answer, "at": given.at, "note": note}
    mine = parts.mine()
    yours = parts.case.state == "open" and mine is not None and mine.pk == seat
    return {"kind": "your_turn" if yours else "", "at": None, "note": ""}


def _outcome(item: Item, parts: "Parts") -> dict[str, str]:
    if item.outcome == "conflict":
        breaker = next((seat for seat in parts.seats if seat.kind == "tie_breaker"), None)
        to = str(breaker.party) if breaker is not None and breaker.party else "the tie-breaker"
        return {"kind": "conflict", "note": f"to {to}"}
    if item.outcome:
        return {"kind": item.outcome, "note": item.carried_words or "agreed"}
    names = [
        seat.person.name if seat.person is not None else str(seat.party or "a reviewer")
        for seat in parts.seats
        if seat.kind in SIGNING and seat.turn == "now" and (item.pk, seat.pk) not in parts.decisions
    ]
    return {"kind": "waits", "note": f"for {' and '.join(names)}" if names else ""}


def evidence(item: Item, parts: "Parts") -> dict[str, Any]:
    """The chosen item with its evidence: what a signature will freeze."""
    identity = parts.case.identity
    seen = shown.of_item(item, identity)
    found = rows.of_keys(seen.refs, None if identity is None else identity.number)
    pinned = {
        f"{micros(at)}-{event}" for at, event in parts.case.pinned.values_list("at", "event_id")
    }
    looked: dict[str, dict[str, None]] = {}
    for ref, name in (
        Looked.objects.filter(kind="event", ref__in=[one["ref"] for one in found])
        .order_by("at")
        .values_list("ref", "by_name")
    ):
        looked.setdefault(ref, {})[name] = None
    for one in found:
        one["pinned"] = one["ref"] in pinned
        one["looked_by"] = ", ".join(looked.get(one["ref"], {})) or "nobody yet"
    last = _last_capsule(item, parts)
    key = identity.key if identity is not None else ""
    return {
        "id": str(item.pk),
        "title": item.title,
        "kind": item.kind,
        "proposal_words": _proposal_words(item),
        "manifest": item.title.partition(",")[0] if item.kind == "manifest" else "",
        "evidence": found,
        "evidence_count": len(found),
        "evidence_url": f"/events/?identity={key}" if key else "",
        "missing": " ".join(seen.missing),
        "capsule": last,
        "pin_url": f"/cases/{parts.case.key}/pin/",
        "recommendation": item.recommendation,
        **beside.advice(item),
        "weighed": weighing.of_item(item, parts.weighed),
        "together": combination.of_item(item, parts.weighed),
    }


def _last_capsule(item: Item, parts: "Parts") -> dict[str, Any] | None:
    given = [row for (pk, _), row in parts.decisions.items() if pk == item.pk and row.capsule]
    if not given:
        return None
    capsule = max(given, key=lambda row: row.at).capsule
    if capsule is None:
        return None
    return {
        "key": capsule.key,
        "digest": bytes(capsule.digest).hex(),
        "sealed_at": capsule.made_at,
        "url": f"/cases/{parts.case.key}/capsules/{capsule.key}/",
    }


def _proposal_words(item: Item) -> str:
    said = item.proposal
    if item.kind == "manifest":
        return f"{counted(len(said['tools']), 'tool')}: {', '.join(said['tools']) or 'none'}"
    if item.kind != "grant":
        return ""
    end = parse_datetime(said["ends_at"]) if said.get("ends_at") else None
    until = f", until {end:%-d %b %Y %H:%M} UTC" if end else ""
    return (
        f"{', '.join(said.get('actions', []))} on {', '.join(said.get('resources', []))},"
        f" for {said.get('purpose') or 'no stated purpose'}{until}"
    )


def decision(item: Item, parts: "Parts", asked: dict[str, str]) -> dict[str, Any] | None:
    """The form of the rail; None for somebody who holds no seat."""
    seat = parts.mine()
    if seat is None or seat.kind not in SIGNING:
        return None
    together = {one.pk for one in parts.seats if one.stage_id == seat.stage_id}
    case, now = parts.case, parts.now
    why = permissions.why_not_decide(parts.user, case, seat, item, now=now)
    options = answer_table.OF_KIND[item.kind]
    why_not_keep = standing.why_not_keep(case, item, now=now) or ""
    narrow = _narrow(item, parts, asked)
    broken = breaks.look(item, case.identity, now=now)
    there = at_target.not_changed(item, parts.weighed)
    held = 0 if there else quarantining.days(case, item)
    return {
        "seat_id": str(seat.pk),
        "seat_words": SEAT_WORDS[seat.kind],
        "position": parts.items.index(item) + 1,
        "of": len(parts.items),
        "action_url": f"/cases/{case.key}/decide/",
        # Nothing is chosen beforehand: a form sent back with errors keeps what was chosen.
        "options": [
            {
                "value": one,
                "words": answer_table.WORDS[one],
                "note": _held_first(item, one, held)
                or (there[0]["words"] if there and one in at_target.CHANGES else "")
                or NOTES.get((item.kind, one), "it goes to the tie-breaker"),
                "on": asked.get("answer") == one,
                "why_not": why_not_keep if one == "keep" else "",
            }
            for one in options
        ],
        "reason": asked.get("reason", ""),
        "proposal": asked.get("proposal", ""),
        "by_date": asked.get("by_date", ""),
        "control": asked.get("control", ""),
        "plan_fields": "replace" in options,
        "left": None if narrow is None else narrow["form"],
        "why_not": why or "",
        "dry_run": None,
        "dry_run_at": now,
        "breaks": broken.digest,
        "dry_runs": {
            one: [*(there or run(item, now=now)), *broken.rows]
            for one, run in DRY_RUNS.items()
            if one in options
        }
        | (
            {
                "narrow": narrow["rows"]
                if narrow
                else there
                or [_note(item, "narrow"), *at_target.of_entitlement(item, parts.weighed)]
            }
            if "narrow" in options
            else {}
        ),
        "conflict": _would_conflict(item, seat.pk, together, parts),
        "reauth": not answer_table.AT_ONCE.isdisjoint(options),
        "errors": {},
    }


def _would_conflict(item: Item, seat: UUID, together: set[UUID], parts: "Parts") -> str:
    """`together`: the seats that add up with it, those of its stage."""
    others: list[Decision] = [
        row
        for (pk, at), row in parts.decisions.items()
        if pk == item.pk and at != seat and at in together
    ]
    if not others or (item.pk, seat) in parts.decisions:
        return ""
    said = answer_table.WORDS[others[0].answer].lower()
    return (
        f"Any other answer than {others[0].person.name}'s {said} conflicts with it: the stricter is"
        " held until one of you changes, or the tie-breaker decides."
    )


def _if_revoked(item: Item, *, now: datetime) -> list[dict[str, Any]]:
    """What would break: read-only, from indexes, bounded."""
    if item.kind == "delegation" and item.ref is not None:
        return [_note(item, "revoke"), *_passed_on(item.ref, None, now=now)]
    if item.kind != "credential" or item.ref is None:
        return [_note(item, "revoke")]
    credential = Credential.objects.filter(pk=item.ref).select_related("identity").first()
    if credential is None:
        return []
    found: list[dict[str, Any]] = []
    agents = seen_with(credential.actor_id).values("agent_actor").distinct().count()
    if agents:
        found.append(
            {
                "kind": "outside",
                "words": f"{counted(agents, 'agent was', 'agents were')} seen to run with it",
                "url": f"/credentials/{credential.key}/",
            }
        )
    if item.snapshot.get("count"):
        said = f"{item.snapshot.get('words')} with it"
        found.append({"kind": "waits", "words": said, "url": ""})
    for one in (
        Issuance.objects.filter(by_credential=credential.actor_id, expires_at__gt=now)
        .select_related("credential")
        .order_by("-expires_at")[:3]
    ):
        value = one.credential.value
        found.append(
            {
                "kind": "waits",
                "url": "",
                "words": f"session {value[:4]}…{value[-4:]} lives"
                f" until {one.expires_at:%-d %b %H:%M} UTC",
            }
        )
    if not quarantining.days(item.case, item):
        said = "cannot be undone: a new one must be issued"
        found.append({"kind": "outside", "words": said, "url": ""})
    return found


def _narrow(item: Item, parts: "Parts", asked: dict[str, str]) -> dict[str, Any] | None:
    """The boxes of what is left, and what becomes of that; None where it is nobody's to choose."""
    form = left.form(item, parts.weighed, asked)
    if form is None:
        return None
    leaves = left.chosen(form)
    found = left.checked(item, parts.weighed, leaves, form["lines"], now=parts.now)
    if found is None:
        return None
    rows = [_note(item, "narrow"), *left.dry_run(found, parts.weighed)]
    if item.ref is not None and not found["problems"]:
        rows += _passed_on(item.ref, leaves, now=parts.now)
    return {
        "form": form | {"check_url": f"/cases/{parts.case.key}/left/#left-result"},
        "rows": rows,
    }


def _passed_on(ref: UUID, left: dict[str, Any] | None, *, now: datetime) -> list[dict[str, Any]]:
    """What becomes of each child when only `left` of the delegation stays; None: nothing."""
    known = versions.Versions([ref], by="", now=now, read=True)
    delegation, current = known.row(ref), known.in_force(ref)
    above = None
    if left is not None and current is not None:
        above = grant_of(current)._replace(
            actions=tuple(left["actions"]), resources=tuple(left["resources"])
        )
    return [
        {"kind": "outside" if one.left is None else "waits", "words": said, "url": ""}
        for children in [below.plan(known, delegation, above, now=now)[:20]]
        for one, said in zip(children, below.words(children), strict=True)
    ]


def _held_first(item: Item, answer: str, days: int) -> str:
    if not days or (item.kind, answer) not in quarantining.HELD_FIRST:
        return ""
    return f"held for {counted(days, 'day')} first, then {GOOD[answer]} for good"


def _note(item: Item, answer: str) -> dict[str, Any]:
    words = NOTES.get((item.kind, answer), "")
    if item.kind == "entitlement" and quarantining.days(item.case, item):
        words += "; a deny of ours is put there first, and comes off again when it is restored"
    return {"kind": "neutral", "words": words, "url": ""}


# What an answer would do, shown before it is signed.
DRY_RUNS = {"revoke": _if_revoked}


def tie_break(item: Item, parts: "Parts") -> dict[str, Any] | None:
    """The form of the tie-breaker, shown to whoever may sit there while there is a conflict."""
    seat = next((one for one in parts.seats if one.kind == "tie_breaker"), None)
    if seat is None or item.outcome != "conflict" or parts.why[seat.pk] is not None:
        return None
    now = {one.pk for one in parts.seats if one.turn == "now" and one.pk != seat.pk}
    given = [row for (pk, at), row in parts.decisions.items() if pk == item.pk and at in now]
    why = permissions.why_not_settle(parts.user, parts.case, seat, item, now=parts.now)
    return {
        "action_url": f"/cases/{parts.case.key}/tie-break/?item={item.pk}",
        "options": [
            {
                "value": row.answer,
                "words": answer_table.WORDS[row.answer],
                "note": f"{row.person.name}: {row.reason}",
            }
            for row in given
        ],
        "why_not": why or "",
    }
