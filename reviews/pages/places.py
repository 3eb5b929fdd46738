"""Who stands in the places of those who have left: the page of one leaver, and of one identity.

Owns the context of templates/places.html. What may be done is reviews/actions/places.py.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from identities import presence
from identities import visible as identities_visible
from identities.actions.owning import PLACES
from identities.models import Identity, Party, User
from reviews import owner_permissions
from reviews.actions import places


def of_leaver(gone: Party, user: User, *, now: datetime) -> dict[str, Any] | None:
    """Every place of a leaver that the user sees, a hundred at a time; None where there is none."""
    rows = places.named(gone, identities_visible.identities(user, now=now))
    shown = list(rows[: places.MOST])
    if not shown:
        return None
    here = presence.there(now=now).filter(pk=gone.pk).exists()
    return {
        "section": "owned",
        "title": f"In place of {gone}",
        "lead": f"{gone} is there, so these places stay as they are."
        if here
        else f"{gone} has left and is still named here. Nobody is asked in their place until somebody"
        " else is named.",
        "rows": _rows(
            [(one, place) for one in shown for place in places.left(one, {gone.pk})],
            user,
            now=now,
            here="is there" if here else "",
        ),
        "more": max(0, rows.count() - len(shown)),
        "action_url": f"/owned/left/{gone.pk}/",
    }


def of_identity(identity: Identity, user: User, *, now: datetime) -> dict[str, Any]:
    """Its backup and sponsor: who has left, and where nobody is named."""
    held = {getattr(identity, f"{place}_id") for place in PLACES}
    there = set(presence.there(now=now).filter(pk__in=held - {None}).values_list("pk", flat=True))
    free = [one for one in PLACES if getattr(identity, f"{one}_id") not in there]
    return {
        "section": "owned",
        "title": f"Who stands beside the owner of {identity.name}",
        "lead": "The backup signs where the owner may not or does not; the sponsor answers for what"
        " it costs and brings.",
        "rows": _rows([(identity, place) for place in free], user, now=now),
        "more": 0,
        "action_url": f"/identities/{identity.key}/places/",
    }


def _rows(
    those: list[tuple[Identity, str]], user: User, *, now: datetime, here: str = ""
) -> list[dict[str, Any]]:
    there = places.owners_there([one for one, _ in those], now=now)
    return [
        {
            "id": f"{one.pk}:{place}",
            "of": (one, place),
            "key": one.key,
            "name": one.name,
            "url": f"/identities/{one.key}/",
            "place": place,
            "who": str(getattr(one, place) or ""),
            "owner": str(one.owner or ""),
            "why_not": owner_permissions.why_not_name(user, one, now=now, there=there) or here,
        }
        for one, place in those
    ]


def became(done: Iterable[places.Placed], to: str) -> dict[str, Any]:
    """templates/owned_renewed.html: a row for what became of each."""
    rows = list(done)
    many = sum(not one.why for one in rows)
    did = f"{to} is named" if to else "Left empty"
    return {
        "section": "owned",
        "title": "What became of each",
        "heading": f"{many} of {len(rows)} changed",
        "rows": [
            {
                "key": one.identity.key,
                "name": one.identity.name,
                "url": f"/identities/{one.identity.key}/",
                "why": one.why,
                "refused": f"Not changed, {one.place}",
                "did": f"{did}, {one.place}",
            }
            for one in rows
        ],
    }


def picked(values: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> list[tuple[Identity, str]]:
    """The places whose boxes were sent, of those that a page shows."""
    wanted = set(values)
    return [row["of"] for row in rows if row["id"] in wanted]
