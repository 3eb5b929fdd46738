"""Events that somebody chooses to freeze: everything that a list's address chooses, or those named.

Owns the way from an address to its keys, and what the page of a frozen selection shows.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import Http404

from evidence.capsules import Window
from evidence.models import Capsule
from evidence.parameters import understood
from evidence.permissions import Reader
from evidence.queries import events as evidence_events
from identities.models import User
from identities.permissions import NotPossible
from reviews import selections
from reviews.packs import subjects
from reviews.pages import capsule as capsule_page
from reviews.pages import events, packs

PAGE = 50
# At most so long is looked for; and so many are named one by one.
LONGEST_SECONDS = 20.0
MOST_NAMED = 200
TOO_LONG = (
    "These take too long to find: narrow them by time, source or actor, and freeze them then."
)


def selection_of(user: User, key: str) -> Capsule:
    """One that this user may see; anything else is absent."""
    number = key.removeprefix("CAP-")
    if not key.startswith("CAP-") or not number.isdecimal() or len(number) > 15:
        raise Http404("no capsule of this key")
    found = selections.seen(user).filter(number=int(number)).first()
    if found is None:
        raise Http404("no capsule of this key")
    return found


def keys(
    asked: Mapping[str, str], user: User, by: Reader, *, now: datetime
) -> list[evidence_events.Key]:
    """All events that this address chooses. Raises NotPossible where they are too many or take too
    long to find, and where a part of it is not understood: nobody freezes more than they meant."""
    known, left_out = understood(asked, events.known(asked))
    if left_out:
        raise NotPossible(left_out)
    found: list[evidence_events.Key] = []
    before: evidence_events.Key | None = None
    ends = time.monotonic() + LONGEST_SECONDS
    while True:
        part = events.chosen(known, user, by, now=now, before=before, limit=1_000)
        if part.missing or time.monotonic() > ends:
            raise NotPossible(part.missing or TOO_LONG)
        found += part.keys
        if part.before is None or len(found) > selections.MOST:
            return found
        before = part.before


def named(refs: Sequence[str], by: Reader) -> list[evidence_events.Key]:
    """The events of these references that this reader may see. Raises NotPossible for another."""
    if len(refs) > MOST_NAMED:
        raise NotPossible(f"At most {MOST_NAMED} events are chosen one by one.")
    found = []
    for ref in dict.fromkeys(refs):
        key = evidence_events.key_in(ref)
        if key is None or evidence_events.one(key, scope=by.scope) is None:
            raise NotPossible(f"There is no event {ref[:60]}.")
        found.append(key)
    return found


def window(asked: Mapping[str, str]) -> Window:
    """The time that was asked for."""
    begins, ends = (evidence_events.parse_moment(asked.get(name, "")) for name in ("from", "to"))
    return begins, ends


def listed(user: User, asked: Mapping[str, str]) -> dict[str, Any]:
    """For templates/capsules.html."""
    rows = selections.seen(user)
    before = asked.get("before", "")
    if before.isdecimal() and len(before) < 16:
        rows = rows.filter(number__lt=int(before))
    found = list(rows.order_by("-number")[: PAGE + 1])
    shown, more = found[:PAGE], len(found) > PAGE
    return {
        "section": "events",
        "title": "Frozen events",
        "rows": [
            {
                "key": one.key,
                "url": f"/capsules/{one.key}/",
                "title": one.body["query"].get("title", ""),
                "events": len(one.body["events"]),
                "made_at": one.made_at,
            }
            for one in shown
        ],
        "page": {
            "prev_url": "/capsules/" if before else "",
            "prev_words": "Newest",
            "next_url": f"/capsules/?before={shown[-1].number}" if more else "",
            "next_words": "Older",
        },
    }


def page(capsule: Capsule, user: User) -> dict[str, Any]:
    """For templates/capsule.html, of a selection that is of no case."""
    address = f"/capsules/{capsule.key}"
    return capsule_page.shown(capsule, f"{address}.json") | {
        "section": "events",
        "crumbs": [{"words": "Frozen events", "url": "/capsules/"}],
        "acts": packs.acts(subjects.of(capsule), user),
    }
