"""The rows under the numbers of a campaign: templates/campaign_rows.html, files, and the API.

Owns their words and shapes. What is in a list is reviews/campaigns/inside.py, and of a draft
reviews/campaigns/would.py; a file holds the same rows as its page, all of them, streamed.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import QuerySet

from identities.models import Identity, User
from identities.permissions import NotPossible
from reviews import sight
from reviews.actions.answers import WORDS
from reviews.campaigns import inside, progress, would
from reviews.exports import moment
from reviews.models import Campaign, CampaignIdentity, Case, Item
from reviews.pages.lists import choice, page_of
from reviews.permissions import SEAT_WORDS
from reviews.states import STATES

CHUNK = 500
type Row = dict[str, Any]


class Kind(NamedTuple):
    """One list of a campaign: its rows, what a row says, and the words about it."""

    words: str
    rows: Callable[[inside.Asked], QuerySet[Any]]
    says: Callable[[Any, inside.Asked], Row]
    known: Mapping[str, tuple[str, ...]]


# The members of each row, in their order.
OF_ROWS = {
    "identities": "identity identity_name kind case state joined not_asked url",
    "reviews": "identity identity_name case state stage due_at opened_at closed_at url",
    "items": "identity identity_name case state item item_kind item_title outcome held decided_at"
    " ends_at carried_out_at carried_words url",
}
OF_DRAFT_ROWS = {
    "identities": "identity identity_name kind items asked url",
    "items": "identity identity_name item_kind item_title asked url",
}


def columns(one: Campaign, what: str) -> list[str]:
    """What a row of this list says, for a file that may have none."""
    return (OF_DRAFT_ROWS if one.state == "draft" else OF_ROWS)[what].split()


# --- what a row says -----------------------------------------------------------------------------


def _of_identity(one: Identity | None) -> Row:
    return {
        "identity": None if one is None else one.key,
        "identity_name": None if one is None else one.name,
    }


def _identity(row: CampaignIdentity, _: inside.Asked) -> Row:
    case = row.case if getattr(row, "seen", False) else None
    return _of_identity(row.identity) | {
        "kind": row.identity.kind,
        "case": None if case is None else case.key,
        "state": None if case is None else case.state,
        "joined": row.joined,
        "not_asked": row.left_out,
        "url": f"{settings.BASE_URL}/identities/{row.identity.key}/",
    }


def _review(case: Case, _: inside.Asked) -> Row:
    return _of_identity(case.identity) | {
        "case": case.key,
        "state": case.state,
        "stage": case.stage,
        "due_at": moment(case.deadline_at),
        "opened_at": moment(case.opened_at),
        "closed_at": moment(case.closed_at),
        "url": f"{settings.BASE_URL}/cases/{case.key}/",
    }


def _item(item: Item, asked: inside.Asked) -> Row:
    # Who is asked blind must not learn from the list that earlier answers differ.
    differs = asked.blind and item.outcome == "conflict"
    return _of_identity(item.case.identity) | {
        "case": item.case.key,
        "state": item.case.state,
        "item": str(item.pk),
        "item_kind": item.kind,
        "item_title": item.title,
        "outcome": "" if differs else item.outcome,
        "held": "" if differs else item.held,
        "decided_at": moment(item.outcome_at) if item.outcome and not differs else None,
        "ends_at": moment(item.due_at),
        "carried_out_at": moment(item.carried_out_at),
        "carried_words": item.carried_words,
        "url": f"{settings.BASE_URL}/cases/{item.case.key}/?item={item.pk}",
    }


KINDS = {
    "identities": Kind("Identities", inside.identities, _identity, inside.OF_IDENTITIES),
    "reviews": Kind("Reviews", inside.reviews, _review, inside.OF_REVIEWS),
    "items": Kind("Items", inside.items, _item, inside.OF_ITEMS),
}


def _asked(one: Campaign, user: User, said: Mapping[str, str], *, now: datetime) -> inside.Asked:
    blind = one.pk in sight.blind_campaigns(user, [one], now=now)
    return inside.Asked(one, user, said, blind, now)


# --- files and the API ---------------------------------------------------------------------------


def taken_out(
    one: Campaign, what: str, user: User, said: dict[str, str], *, now: datetime
) -> Iterator[Row]:
    """Every row of a list, however many they are. What cannot be asked for is refused at once."""
    if one.state == "draft":
        drafted, says = _draft(one, what, said, now=now)
        return (says(row) for row in drafted.iterator(chunk_size=CHUNK))
    kind, asked = KINDS[what], _asked(one, user, said, now=now)
    rows = kind.rows(asked)
    return (kind.says(row, asked) for row in rows.iterator(chunk_size=CHUNK))


# --- before the launch ---------------------------------------------------------------------------

OF_DRAFTS = ("identities", "items")


def _draft(
    one: Campaign, what: str, said: Mapping[str, str], *, now: datetime
) -> tuple[QuerySet[Identity] | would.Items, Callable[[Any], Row]]:
    """A list of a dry run, and what its rows say."""
    if what == "items":
        return would.items(one, said, now=now), _draft_item
    if what not in OF_DRAFTS:
        raise NotPossible(
            f"{one.key} is a draft: no review is open yet, only its identities and items are known."
        )
    found = would.identities(one, said, now=now)

    def says(row: Identity) -> Row:
        return _of_identity(row) | {
            "kind": row.kind,
            "items": found.dry.items.get(row.pk, 0),
            "asked": would.in_words(found.dry.of(row.pk)),
            "url": f"{settings.BASE_URL}/identities/{row.key}/",
        }

    return found.rows, says


def _draft_item(row: would.Drafted) -> Row:
    return _of_identity(row.identity) | {
        "item_kind": row.item.kind,
        "item_title": row.item.title,
        "asked": would.in_words(row.asked),
        "url": f"{settings.BASE_URL}/identities/{row.identity.key}/",
    }


# --- the page ------------------------------------------------------------------------------------


def path_of(one: Campaign, what: str, **said: str) -> str:
    """The address of a list of a campaign; "" leaves a parameter out."""
    kept = {name: value for name, value in said.items() if value}
    return f"/campaigns/{one.key}/{what}/{f'?{urlencode(kept)}' if kept else ''}"


def listed(
    one: Campaign, what: str, user: User, said: dict[str, str], *, now: datetime
) -> dict[str, Any]:
    """templates/campaign_rows.html: one page of a list, in a constant number of queries."""
    narrowed = {name: value for name, value in said.items() if name != "page"}
    path = path_of(one, what)
    if one.state == "draft":
        drafted, says = _draft(one, what, narrowed, now=now)
        rows, page = page_of(drafted, said, path)
        data = [_drawn(says(row), row) for row in rows]
        filters = [_filter(narrowed, "road", "Which", would.ROADS)] if what == "identities" else []
    else:
        asked = _asked(one, user, narrowed, now=now)
        rows, page = page_of(KINDS[what].rows(asked), said, path)
        data = [_drawn(KINDS[what].says(row, asked), row) for row in rows]
        filters = _filters(what, narrowed)
    shown = {one["name"] for one in filters} | {"q"}
    return {
        "section": "campaigns",
        "now": now,
        "title": f"{KINDS[what].words}: {one.name}",
        "heading": KINDS[what].words,
        "crumbs": [
            {"words": "Campaigns", "url": "/campaigns/"},
            {"words": one.key, "url": f"/campaigns/{one.key}/"},
        ],
        "campaign": {"key": one.key, "name": one.name, "draft": one.state == "draft"},
        "what": what,
        "tabs": [
            {"words": kind.words, "url": path_of(one, name), "on": name == what, "n": None}
            for name, kind in KINDS.items()
            if one.state != "draft" or name in OF_DRAFTS
        ],
        "q": narrowed.get("q", ""),
        "filters": filters,
        "hidden": [
            {"name": name, "value": value}
            for name, value in narrowed.items()
            if value and name not in shown
        ],
        "narrowed": _narrowed(narrowed, lambda **other: path_of(one, what, **(narrowed | other))),
        "searches": one.state != "draft",
        "rows": data,
        "out": [
            {"words": words, "url": path_of(one, what, **narrowed).replace("/?", f".{shape}?")}
            if any(narrowed.values())
            else {"words": words, "url": f"{path[:-1]}.{shape}"}
            for words, shape in (("CSV", "csv"), ("JSON", "json"))
        ],
        "page": page,
    }


def _drawn(row: Row, of: Any) -> Row:
    """A row with the links a page gives it, and its words."""
    case, item = row.get("case"), row.get("item")
    return row | {
        "identity_url": f"/identities/{row['identity']}/" if row["identity"] else "",
        "case_url": f"/cases/{case}/{f'?item={item}' if item else ''}" if case else "",
        "outcome_words": WORDS.get(row.get("outcome", ""), ""),
        "due": getattr(of, "deadline_at", None),
    }


def _filter(said: Mapping[str, str], name: str, words: str, values: Any) -> dict[str, Any]:
    return choice(name, words, values, said.get(name, ""))


def _filters(what: str, said: Mapping[str, str]) -> list[dict[str, Any]]:
    if what == "identities":
        roads = {name: words for name, (words, _) in inside.ROADS.items()}
        return [_filter(said, "road", "Which", roads)]
    if what == "reviews":
        return [_filter(said, "state", "State", STATES)]
    return [_filter(said, "outcome", "Outcome", inside.OUTCOMES)]


# What else a list may be narrowed by, in words; `party` and `person` are named by the database.
ALSO: dict[str, Callable[[str], str]] = {
    "seat": lambda value: f"as {SEAT_WORDS[value]}",
    "why": lambda value: value,
    "stage": lambda value: f"stage {value}",
    "stands": lambda value: inside.STANDS[value][0],
    "done": lambda value: "all answered" if value == "yes" else "answers missing",
    "answer": lambda value: f"answer {value}",
    "looks": lambda _: "waiting for a second look",
    # Of a draft.
    "nobody": lambda value: f"nobody as {SEAT_WORDS[value]}",
    "silence": lambda value: f"if nobody decides: {value}",
}


def _narrowed(said: Mapping[str, str], address: Callable[..., str]) -> list[dict[str, str]]:
    """What narrows a list beside its filters, each with the address that lets it go."""
    found = [
        {"words": words(said[name]), "url": address(**{name: ""})}
        for name, words in ALSO.items()
        if said.get(name)
    ]
    for name in ("party", "person"):
        value = said.get(name, "")
        if value:
            words = "nobody is named" if value == inside.NOBODY else progress.named(name, value)
            found.append({"words": words, "url": address(**{name: ""})})
    return found
