"""What of a break-glass page is about signatures: the rule as it reads, the bypass, and its end.

Owns no rule: who may is reviews/break_glass/rights.py, how they add up quorum.py.
"""

from typing import Any

from reviews.break_glass import factors, on_call, quorum, rights
from reviews.pages.break_glass_parts import Parts

NAMED = 6  # of those who can sign


def quorum_of(p: Parts) -> dict[str, Any]:
    """The rule as it reads: who signed which place, who could, and whether a bypass carried it."""
    rule, case = p.says.quorum, p.case
    given = [one for one in p.decisions if one.item_id == p.item.pk and one.answer == "approve"]
    asker = rights.asker_of(case.requester_id, now=p.now)
    able = rights.able(rule, now=p.now, but=case.requester_id)
    seated = quorum.seated(rule, rights.signed(given, now=p.now), asker=asker)
    waits = case.state == "open" or p.item.outcome == ""
    there = on_call.of_rule(rule, now=p.now, but=case.requester_id) if waits else {}
    of = {row.person_id: row for row in given}
    people = {one.pk: one.name for one in rights.persons(able)}
    seen = {one["person"] for one in p.glass.acknowledged}
    places = []
    for place in rule.places():
        row = of.get(seated[place]) if place in seated else None
        free = {
            one.person: people[one.person]
            for one in able
            if one.fits(place) and one.person != case.requester_id and one.person not in of
        }
        names = on_call.called(free, there, seen)
        late = (
            row is not None
            and p.glass.bypassed_at is not None
            and row.at > p.glass.bypassed_at
            and p.item.position == 0
        )
        places.append(
            {
                "name": f"{place.name}, on call" if place.on_call else place.name,
                "of": place.of,
                "who": row.person.name if row is not None else "",
                "at": row.at if row is not None else None,
                "late": late,
                "names": ", ".join(names[:NAMED]),
                "more": max(0, len(names) - NAMED),
            }
        )
    carries = quorum.carried(rule, able, asker=asker) is not None
    return {
        "words": rule.words(),
        "unreadable": ", ".join(on_call.unreadable(rule, now=p.now)) if waits else "",
        "places": places,
        "bypassed": p.glass.bypassed_at,
        "by": case.opened_by_name,
        "dearer": p.glass.dearer,
        "factor": factors.WORDS.get(p.glass.factor, ""),
        "vouched": p.glass.vouched_person.name if p.glass.vouched_person else "",
        "patience": p.says.patience_minutes,
        "nobody": ""
        if carries or case.state != "open"
        else "Nobody can sign this now: never who asked, and never only their own team.",
        "longer": p.item.position != 0 and p.item.outcome == "",
        "refused": next(
            (
                {"who": row.person.name, "why": row.reason, "at": row.at}
                for row in p.decisions
                if row.answer == "deny"
            ),
            None,
        ),
    }


def bypass(p: Parts) -> dict[str, Any] | None:
    case, user, now = p.case, p.user, p.now
    if case.state != "open":
        return None
    mine = case.requester_id == user.person_id
    before = rights.unreviewed(case.requester_id, but=case)
    because = rights.dearer_because(case, p.glass.asker, now=now)
    vouch = rights.why_not_vouch(user, case, now=now)
    return {
        "mine": mine,
        "why_not": rights.why_not_bypass(user, case, now=now) or "",
        "before": None if before is None else before.case.key,
        "without": factors.why_none(p.glass, p.glass.asker, now=now),
        "go_without": mine and rights.why_not_go_without(user, case, now=now) is None,
        "minutes": min(p.item.proposal["minutes"], p.says.cap_after_bypass_minutes)
        if because
        else p.item.proposal["minutes"],
        "vouch": vouch is None,
    }


def ending(p: Parts) -> dict[str, Any] | None:
    if not p.live:
        return None
    case, user, now = p.case, p.user, p.now
    over = all(one.grant.ending_at is not None or one.state == "ended" for one in p.grants)
    if over and p.grants:
        return None
    return {
        "cut_off": rights.why_not_cut_off(user, case, now=now) or "",
        "who": p.says.quorum.words(),
        "give_back": rights.why_not_give_back(user, case, now=now) or "",
        "longer": rights.why_not_ask_longer(user, case, now=now) or "",
        "cap": p.says.cap_minutes,
        "mine": case.requester_id == user.person_id,
    }
