"""The claim wave in a page's words: my questions, one question, a rule.

Owns what templates/unclaimed_*.html show, each in a fixed number of queries. Nothing is ticked
before a person ticks it. Writes nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.db.models.functions import Coalesce

from evidence.vocabulary import STRENGTHS
from evidence.words import counted
from identities.claims import (
    asking,
    questioning,
    rights,
    ruling,
    standing,
    suggesting,
)
from identities.models import Claim, ClaimAnswer, ClaimRefusal, Party, Service, User
from identities.permissions import NotPossible, parties_of

TAGS = {
    "owner": "owner",
    "team": "team",
    "creator": "made by",
    "iac": "code",
    "codeowners": "CODEOWNERS",
    "cmdb": "CMDB id",
}
STEPS = {
    "evidence": "",
    "neighbours": "",
    "passed_on": "somebody said to ask you",
    "sponsor": "you sponsor its service, and nobody else is left to ask",
    "backup": "you are the backup of its service, and nobody else is left to ask",
    "team": "somebody in your team said that it is not theirs alone",
}
SAID = {"yes": "theirs", "not_mine": "not theirs", "rule": "by a rule", "pass_on": "passed on"}
EVERYTHING = "All that is asked of you"
FEW = "A few things each of several services"
KINDS = {"arn": "AWS principal"}
MOST_ANSWERS = 10
MOST_ASKS = 5


def tabs(user: User, on: str) -> list[dict[str, Any]]:
    """The pages of what nobody owns."""
    pages = [
        ("questions", "Asked of you", "/unclaimed/questions/"),
        ("links", "To be signed", "/links/"),
    ]
    if rights.why_not_see_all(user) is None:
        pages = [
            ("actors", "Unclaimed actors", "/unclaimed/"),
            *pages,
            ("rule", "Many by a rule", "/unclaimed/rule/"),
            ("burn", "Burn-down", "/unclaimed/burn-down/"),
        ]
    return [{"words": words, "url": url, "on": name == on, "n": None} for name, words, url in pages]


def labels(bundles: Iterable[str]) -> dict[str, str]:
    """What things are asked about together, as people call it. One query."""
    wanted = set(bundles)
    slugs = {one.removeprefix("service:") for one in wanted if one.startswith("service:")}
    names = dict(Service.objects.filter(slug__in=slugs).values_list("slug", "name"))
    found = {questioning.FEW: FEW, questioning.ALL: EVERYTHING}
    for one in wanted - {questioning.FEW, questioning.ALL}:
        kind, _, rest = one.partition(":")
        found[one] = {
            "service": names.get(rest, rest),
            "code": f"What is made by the code {rest}",
            "realm": f"What lives in {rest or 'a place that is not known'}",
            "other": "Things without a service",
        }.get(kind, one)
    return found


def questions(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/unclaimed_questions.html: what is asked of me, the largest first."""
    found = questioning.asked_of(parties_of(user, now=now))
    parties = Party.objects.select_related("person", "team").in_bulk({one.party for one in found})
    called = labels(one.about for one in found)
    mine = ClaimAnswer.objects.filter(person=user.person_id).order_by("-at")[:MOST_ANSWERS]
    given = list(mine) if user.person_id is not None else []
    return {
        "section": "unclaimed",
        "title": "Asked of you",
        "tabs": tabs(user, "questions"),
        "now": now,
        "rows": [
            {
                "label": called[one.about],
                "party": str(parties[one.party]),
                "url": url_of(one.party, one.about),
                "n": one.n,
                "since": one.since,
                "strength": STRENGTHS.get(one.strength, ""),
                "doubts": one.doubts,
                "why": one.why or "",
            }
            for one in found
        ],
        "together": [
            {"party": str(one), "url": url_of(one.pk, questioning.ALL), "n": many}
            for one in parties.values()
            if (many := sum(row.party == one.pk for row in found)) > 1
        ],
        "given": [_given(row, user, now=now) for row in given],
    }


def _given(row: ClaimAnswer, user: User, *, now: datetime) -> dict[str, Any]:
    if row.undone_at is not None:
        state = "taken back"
    elif row.carried_at is not None:
        state = f"carried out: {counted(row.owned, 'owner')}" if row.owned else "carried out"
    else:
        state = "recorded"
    return {
        "said": SAID[row.answer],
        "n": row.asked,
        "bundle": row.bundle or str(row.rule.get("words", "")),
        "at": row.at,
        "state": state,
        "undo_url": f"/unclaimed/answers/{row.pk}/undo/"
        if rights.why_not_undo(user, row, now=now) is None
        else "",
        "undo_until": row.not_before,
    }


def url_of(party: object, bundle: str) -> str:
    return f"/unclaimed/questions/{party}/?{urlencode({'about': bundle})}"


def question(user: User, party: Party, bundle: str, *, now: datetime) -> dict[str, Any]:
    """templates/unclaimed_question.html: everything it is about, each with its reasons."""
    rows = questioning.question(party=party, bundle=bundle, subjects=True)
    called = labels(row.bundle for row in rows)
    label = called.get(bundle, EVERYTHING)
    ours, refused = ruling.members(party, now=now), standing.refusals(rows, said=True)
    together = (questioning.ALL, questioning.FEW)
    service = rows[0].service if rows and bundle.startswith("service:") else None
    others = (
        Claim.objects.filter(bundle=bundle, state__in=["open", "answered"]).exclude(party=party)
        if service is not None
        else Claim.objects.none()
    )
    return {
        "section": "unclaimed",
        "title": f"Is this yours? {label}",
        "crumbs": [{"words": "Asked of you", "url": "/unclaimed/questions/"}],
        "now": now,
        "label": label,
        "party": {"id": str(party.pk), "name": str(party)},
        "about": bundle,
        "why_not": rights.why_not_answer(user, party, now=now) or "",
        "step": STEPS.get(rows[0].step, "") if rows else "",
        "rows": sorted(
            (
                thing(row, ours, refused[row.identity_id, row.actor_id])
                | {"of": called[row.bundle] if bundle in together else ""}
                for row in rows
            ),
            key=lambda one: (one["of"], not one["but"], str(one["name"])),
        ),
        "asks": _asks(party, rows),
        "said": _said_before(rows),
        "service": None
        if service is None
        else {
            "name": service.name,
            "why_not": rights.why_not_own_service(
                user,
                party,
                owner=service.owner,
                mine=len(rows),
                others=others.count(),
                now=now,
            )
            or "",
        },
    }


def _asks(party: Party, rows: Sequence[Claim]) -> list[dict[str, str]]:
    """Who said to ask this party about any of these, and why. One query.

    An answer lets go of its things when it is carried out, and asks the next at that very time.
    """
    found = ClaimAnswer.objects.filter(
        to=party,
        undone_at__isnull=True,
        carried_at__in={row.asked_at for row in rows if row.step == "passed_on"},
    )
    said = found.order_by("-carried_at", "-pk").values_list("by_name", "reason")
    return [{"by": by, "reason": reason} for by, reason in dict.fromkeys(said[:MOST_ASKS])]


def _said_before(rows: Sequence[Claim]) -> list[dict[str, str]]:
    """Who was asked about any of these before, and what they said. One query."""
    found = (
        ClaimRefusal.objects.filter(
            Q(identity__in=[row.identity_id for row in rows if row.identity_id])
            | Q(actor__in=[row.actor_id for row in rows if row.actor_id])
        )
        .annotate(called=Coalesce("party__team__name", "party__person__name"))
        .values_list("called", "reason")
        .distinct()
        .order_by("called", "reason")[:5]
    )
    return [{"party": called, "reason": reason} for called, reason in found]


def thing(row: Claim, ours: Collection[str] = (), refused: Collection[str] = ()) -> dict[str, Any]:
    """One thing that nobody owns: what it is, why this party is asked, and what speaks against.

    `ours`: who is in the team that is asked, and so speaks for it. `refused`: who has said no.
    """
    for_it = {str(row.party_id), *ours}
    mine = [one for one in row.reasons if one["party"] in for_it]
    named = row.identity
    kind = named.kind if named is not None else row.actor.kind if row.actor else ""
    return {
        "id": str(row.pk),
        "name": named.name if named is not None else row.actor.value if row.actor else "",
        "url": f"/identities/{named.key}/"
        if named is not None
        else f"/events/?{urlencode({'actor': row.actor_id or 0})}",
        "kind": KINDS.get(kind, kind.replace("_", " ")),
        "new": named is None,
        "why": [{"words": one["words"], "strength": STRENGTHS[one["strength"]]} for one in mine],
        "step": STEPS.get(row.step, ""),
        "but": [
            one["words"] + (", who said no" if one["party"] in refused else "")
            for one in row.reasons
            if one["party"] not in for_it
        ],
        "left_why": row.left_why,
    }


def rule(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/unclaimed_rule.html: the form, and exactly what the rule would do."""
    found: dict[str, Any] = {
        "section": "unclaimed",
        "title": "Many by a rule",
        "tabs": tabs(user, "rule"),
        "why_not": rights.why_not_run(user, now=now) or "",
        "asked": {name: asked.get(name, "") for name in ("service", "kind", "value", "party")},
        "with_service": bool(asked.get("with_service")),
        "kinds": [
            {"value": name, "words": words, "on": asked.get("kind") == name}
            for name, words in TAGS.items()
        ],
        "preview": None,
        "wrong": "",
        "suggested": [],
    }
    if not asked.get("party") and not found["why_not"]:
        found["suggested"] = [_suggested(one) for one in suggesting.rules()]
    if not asked.get("party") or found["why_not"]:
        return found
    try:
        said = rule_of(asked)
        covered = ruling.preview(rule=said, now=now)
    except NotPossible as problem:
        found["wrong"] = str(problem)
        return found
    found["preview"] = {
        "words": said.words(),
        "digest": covered.digest,
        "n": len(covered.claims),
        "more": covered.more,
        "rows": sorted(map(thing, covered.claims), key=lambda one: str(one["name"])),
        "left": [{**thing(one.claim), "left_why": one.why} for one in covered.left[:200]],
        "n_left": len(covered.left),
    }
    return found


def _suggested(one: suggesting.Suggestion) -> dict[str, Any]:
    """A rule that answers bear out, as a link to what it would cover."""
    person, team = one.party.person, one.party.team
    to = f"team:{team.name}" if team is not None else person.email or person.name if person else ""
    return {
        "words": f"everything whose {TAGS.get(one.kind, one.kind)} tag is {one.value} goes to"
        f" {one.party}",
        "yes": one.yes,
        "no": one.no,
        "waiting": one.waiting,
        "url": f"/unclaimed/rule/?{urlencode({'kind': one.kind, 'value': one.value, 'party': to})}",
    }


def rule_of(asked: dict[str, str]) -> ruling.Rule:
    """The rule that a form says. Raises NotPossible, naming what is wrong."""
    service = None
    if asked.get("service", "").strip():
        slug = asked["service"].strip()
        service = Service.objects.filter(slug=slug).select_related("owner__person").first()
        if service is None:
            raise NotPossible(f"No service is called {slug!r}: write its short name.")
    kind = asked.get("kind", "")
    return ruling.Rule(
        party=asking.party_named(asked.get("party", "")),
        service=service,
        kind=kind if kind in TAGS else "",
        value=asked.get("value", ""),
        with_service=bool(asked.get("with_service")),
    )
