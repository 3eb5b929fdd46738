"""The lists beside the queue taken out of their pages: policies, modes, freezes, campaigns, what waits
for a release and what is held first, what somebody answers for, people, and what they left.

Owns their rows (docs/exports.md), of what the reader sees on the page, every row and not one page of
them. How a file is written is queue_out.py.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import batched
from typing import Any, NamedTuple

from django.conf import settings

from evidence.parameters import NOTHING, Known, checked
from identities.models import User
from reviews import owner_permissions, visible
from reviews.actions import attention, freezing, modes, rungs
from reviews.campaigns import progress
from reviews.campaigns import rows as campaign_rows
from reviews.exports import moment
from reviews.models import Campaign, Freeze, ModeRule, Quarantine, Rung
from reviews.pages import freezes, owned, people, policies, quarantine, successions
from reviews.sight import blind_campaigns

type Row = dict[str, Any]

CHUNK = 200


class Listed(NamedTuple):
    """What a row of a list says, in this order; what its address may ask; and the rows."""

    columns: str
    asks: Known
    rows: Callable[..., Iterator[Row]]


def _url(path: str) -> str:
    return f"{settings.BASE_URL}{path}"


def _policies(user: User, _asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    for one in policies.all_policies(user, now=now)["rows"]:
        waits = one["waiting"]
        yield {
            "policy": one["name"],
            "version": one["version"],
            "waiting_version": None if waits is None else waits.version,
            "says": " ".join(f"{line.about}: {line.words}" for line in one["said"]),
            "cases": one["cases"],
            "url": _url(one["url"]),
        }


def _modes(_user: User, _asked: dict[str, str], *, now: datetime) -> Iterator[Row]:  # noqa: ARG001 - one shape for all
    for one in ModeRule.objects.order_by("-number").iterator(chunk_size=CHUNK):
        yield {
            "rule": one.key,
            "scope": modes.words(one).rpartition(": ")[0],
            "mode": one.mode,
            "step_back": one.back,
            "state": one.state,
            "changed": one.moved,
            "reason": one.reason,
            "proposed_at": moment(one.proposed_at),
            "proposed_by": one.proposed_by_name,
            "settled_at": moment(one.settled_at),
            "settled_by": one.settled_by_name,
            "applied_at": moment(one.applied_at),
            "url": _url(one.url),
        }


def _freezes(_user: User, _asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    rows = Freeze.objects.select_related("asked").order_by("-number")
    for one in rows.iterator(chunk_size=CHUNK):
        yield {
            "freeze": one.key,
            "scope": freezing.words(one),
            "since": moment(one.since),
            "until": moment(one.until),
            "state": one.state,
            "holds": freezes.badge(one, now=now).get("words") == "holds",
            "asked": one.asked.name,
            "reason": one.reason,
            "proposed_by": one.proposed_by_name,
            "settled_by": one.settled_by_name,
            "ended_at": moment(one.ended_at),
            "ended_by": one.ended_by_name,
            "url": _url(one.url),
        }


def _campaigns(user: User, asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    if campaign_rows.why_not_see(user):
        return
    found = Campaign.objects.select_related("policy").order_by("-number")
    q = asked.get("q", "").strip()[:200]
    if q:
        found = found.filter(name__icontains=q)
    for some in batched(found.iterator(chunk_size=CHUNK), CHUNK):
        blind = blind_campaigns(user, some, now=now)
        looks = attention.of_campaigns([one.pk for one in some if one.pk not in blind])
        for one in some:
            done = progress.read(one)
            yield {
                "campaign": one.key,
                "name": one.name,
                "policy": str(one.policy),
                "state": one.state,
                "due_at": moment(one.deadline_at),
                "items": done.items,
                "decided": done.decided,
                "open_reviews": done.open_cases,
                "counted_at": moment(done.at),
                "second_looks": looks.get(one.pk, 0),
                "reason": one.reason,
                "url": _url(f"/campaigns/{one.key}/"),
            }


def _releases(user: User, _asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    seen = visible.cases(user, now=now).filter(state="open").values("pk")
    held = Rung.objects.filter(state="held", case__in=seen).select_related("case__identity")
    for one in held.order_by("at", "pk").iterator(chunk_size=CHUNK):
        case = one.case
        yield {
            "case": case.key,
            "title": case.title,
            "identity": None if case.identity is None else case.identity.key,
            "identity_name": None if case.identity is None else case.identity.name,
            "step": one.does,
            "words": rungs.words(case, one.does),
            "due_at": moment(one.at),
            "held_at": moment(one.held_at),
            "why": one.held_why,
            "url": _url(f"/cases/{case.key}/"),
        }


def _quarantine(user: User, _asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    seen = visible.cases(user, now=now).values("pk")
    held = Quarantine.objects.filter(case__in=seen, state="held").order_by("until", "pk")
    for some in batched(held.values_list("pk", flat=True), quarantine.MOST):
        for row in quarantine.rows(Quarantine.objects.filter(pk__in=some), user, now=now):
            yield {
                "item": row["id"],
                "title": row["title"],
                "case": row["case"]["key"],
                "identity_name": row["identity"]["name"],
                "since": moment(row["since"]),
                "until": moment(row["until"]),
                "then": row["cut"],
                "at_target": row["at_target"],
                "url": _url(row["url"]),
            }


def _owned(user: User, asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    for row in owned.everything(user, asked, now=now):
        yield {
            "identity": row["key"],
            "identity_name": row["name"],
            "kind": row["kind"],
            "state": row["state"],
            "mode": row["mode"],
            "as": row["role"],
            "through": row["through"],
            "purpose": row["purpose"],
            "expires_at": moment(row["expires_at"]),
            "attested_at": moment(row["attested_at"]),
            "signals": "; ".join(one["words"] for one in row["signals"]),
            "why_not_renew": row["why_not"],
            "url": _url(row["url"]),
        }


def _successions(user: User, asked: dict[str, str], *, now: datetime) -> Iterator[Row]:  # noqa: ARG001 - one shape for all
    for row in map(successions.head, successions.narrowed(user, asked).iterator(chunk_size=CHUNK)):
        yield {
            "list": row["key"],
            "words": row["words"],
            "at": moment(row["at"]),
            "noticed_at": moment(row["noticed_at"]),
            "due_at": moment(row["deadline_at"]),
            "done_at": moment(row["done_at"]),
            "things": row["total"],
            "asked": row["asked"],
            "unowned": row["unowned"],
            "url": _url(row["url"]),
        }


def _people(user: User, asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    if owner_permissions.why_not_see_successions(user):
        return
    found = people.named(asked.get("q", "").strip()[:200], asked.get("state", ""), now=now)
    for one in found.iterator(chunk_size=CHUNK):
        row = people.person_out(one, now=now)
        yield {
            "person": row["name"],
            "email": row["email"],
            "logins": " ".join(row["logins"]),
            "reports_to": row["manager"],
            "state": row["state"],
            "left_at": moment(row["left_at"]),
            "url": _url(f"{people.PATH}{row['id']}/"),
        }


def _but_page(known: Known) -> Known:
    return {name: values for name, values in known.items() if name != "page"}


LISTS = {
    "policies": Listed("policy version waiting_version says cases url", NOTHING, _policies),
    "modes": Listed(
        "rule scope mode step_back state changed reason proposed_at proposed_by settled_at"
        " settled_by applied_at url",
        NOTHING,
        _modes,
    ),
    "freezes": Listed(
        "freeze scope since until state holds asked reason proposed_by settled_by ended_at"
        " ended_by url",
        NOTHING,
        _freezes,
    ),
    "campaigns": Listed(
        "campaign name policy state due_at items decided open_reviews counted_at second_looks"
        " reason url",
        {"q": ()},
        _campaigns,
    ),
    "releases": Listed(
        "case title identity identity_name step words due_at held_at why url", NOTHING, _releases
    ),
    "quarantine": Listed(
        "item title case identity_name since until then at_target url", NOTHING, _quarantine
    ),
    "owned": Listed(
        "identity identity_name kind state mode as through purpose expires_at attested_at signals"
        " why_not_renew url",
        _but_page(owned.OF_OWNED),
        _owned,
    ),
    "successions": Listed(
        "list words at noticed_at due_at done_at things asked unowned url",
        _but_page(successions.OF_LISTS),
        _successions,
    ),
    "people": Listed(
        "person email logins reports_to state left_at url", _but_page(people.OF_PEOPLE), _people
    ),
}


def of(name: str, user: User, asked: dict[str, str], *, now: datetime) -> Iterator[Row]:
    """The rows of one of LISTS; what its address cannot ask for is refused before the first."""
    checked(asked, LISTS[name].asks)
    return LISTS[name].rows(user, asked, now=now)
