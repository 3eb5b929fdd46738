"""What the pages of links show: what a link changes, who else signs, and an identity's links.

Owns contexts and what a form names. Changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.http import QueryDict

from evidence.models import Actor
from evidence.parameters import whole
from identities import permissions, visible
from identities.actions.bindings import Rule, linking, links, preview
from identities.actions.bindings.facts import Changes
from identities.actions.bindings.links import Link
from identities.models import Binding, Identity, LinkProposal, User
from identities.permissions import NotPossible
from reviews.pages import claim_wave, claims

MOST_SHOWN = 200
FIELDS = ("proposal", "actor", "identity", "shared", "ends", "at_least")
CRUMBS = [{"words": "Unclaimed actors", "url": "/unclaimed/"}]


class Wanted(NamedTuple):
    """The links that a form names, and what it says, to be sent again with the signature."""

    links: list[Link]
    said: list[dict[str, str]]


def wanted(form: QueryDict, user: User, *, now: datetime) -> Wanted:
    """NotPossible where the form names nothing that this user may know of."""
    said = [
        {"name": name, "value": value[:300].replace("\0", "")}
        for name in FIELDS
        for value in form.getlist(name)[:MOST_SHOWN]
    ]
    shared = True if form.get("shared") else None
    rows = visible.bindings(user, now=now).select_related("identity__service", "actor")
    if "ends" in form:
        ended = rows.filter(pk=whole(form.get("ends", "")) or 0, state="confirmed").first()
        found = [] if ended is None else [links.ending(ended)]
    elif "at_least" in form:
        least = whole(form.get("at_least", ""))
        rule = Rule(least_calls=claims.BULK_CALLS if least is None else least)
        permissions.require(permissions.why_not_see_unclaimed(user))
        found = links.of(preview(rule=rule, now=now)[:1_000])
    elif "actor" in form:
        found = [_by_hand(form, user, now=now)]
    else:
        numbers = [whole(one) or 0 for one in form.getlist("proposal")[:MOST_SHOWN]]
        found = links.of(rows.filter(pk__in=numbers).order_by("pk"), shared=shared)
    if not found:
        raise NotPossible("There is nothing to link: somebody settled it in the meantime.")
    return Wanted(found, said)


def _by_hand(form: Mapping[str, str], user: User, *, now: datetime) -> Link:
    actor = Actor.objects.filter(pk=whole(form["actor"]) or 0).first()
    key = claims.key_of(form.get("identity", "").replace("\0", ""), user, now=now)
    identity = (
        visible.identities(user, now=now)
        .select_related("service")
        .filter(number=whole(key.removeprefix("NHI-")) or 0)
        .first()
    )
    if actor is None or identity is None:
        raise NotPossible("Say which actor is which identity.")
    return Link(identity, actor, shared=bool(form.get("shared")))


def new(
    asked: Wanted,
    changes: Changes | None,
    user: User,
    *,
    reason: str = "",
    problem: str = "",
    now: datetime,
) -> dict[str, Any]:
    """The page that shows what links change, with the form that makes them."""
    ends = all(one.ends for one in asked.links)
    first = asked.links[0]
    several = len(asked.links) > 1
    return {
        "section": "unclaimed",
        "title": "Take a link back" if ends else "Link to an identity",
        "crumbs": CRUMBS,
        "rows": [_row(one) for one in asked.links[:MOST_SHOWN]],
        "many": len(asked.links),
        "said": asked.said,
        "changes": changes,
        "may_share": not ends and not several and not _says_shared(first),
        "ends": ends,
        "reason": reason,
        "problem": problem,
        "why_not": _why_not(asked.links, user, now=now),
        "signed_as": user.called,
        "now": now,
    }


def _says_shared(link: Link) -> bool:
    if link.shared is None:
        return link.binding is not None and link.binding.shared
    return link.shared


def _why_not(those: Sequence[Link], user: User, *, now: datetime) -> str:
    why = [permissions.why_not_claim(user, one.identity, now=now) for one in those]
    return (why[0] or "") if all(why) else ""


def _row(link: Link) -> dict[str, Any]:
    return {
        "actor": link.actor.value,
        "kind": link.actor.kind,
        "realm": link.actor.realm,
        "identity": link.identity.name,
        "identity_url": f"/identities/{link.identity.key}/",
        "shared": _says_shared(link),
        "reason": "" if link.binding is None else link.binding.reason,
    }


def listed(user: User, identity: Identity | None, *, now: datetime) -> dict[str, Any]:
    """Links that wait for a signature; with an identity, its links as well."""
    rows = visible.link_proposals(user, now=now).filter(state="proposed")
    rows = rows.select_related("identity", "other", "actor").order_by("proposed_at", "pk")
    bound = []
    if identity is not None:
        rows = rows.filter(identity=identity) | rows.filter(other=identity)
        bound = list(
            Binding.objects.filter(
                identity=identity, state="confirmed", superseded_at__isnull=True
            ).select_related("actor", "identity")
            .order_by("-recorded_at", "-pk")[:MOST_SHOWN]
        )  # fmt: skip
    return {
        "section": "unclaimed",
        "title": "Links" if identity is None else f"Links of {identity.name}",
        "crumbs": CRUMBS,
        "identity": identity,
        "tabs": claim_wave.tabs(user, "links") if identity is None else [],
        "waits": [{"row": row, "url": f"/links/{row.pk}/"} for row in rows[:MOST_SHOWN]],
        "bound": [
            {
                "row": row,
                "why_not": permissions.why_not_confirm_binding(user, row, now=now) or "",
            }
            for row in bound
        ],
    }


def proposal(
    row: LinkProposal, user: User, changes: Changes | None, *, now: datetime, problem: str = ""
) -> dict[str, Any]:
    """One link that a second person signs, and those that are signed with it."""
    return {
        "section": "unclaimed",
        "title": f"{row.actor.value[:80]} is {row.identity.name[:60]}",
        "crumbs": [{"words": "Links", "url": "/links/"}],
        "row": row,
        "together": linking.together(row, by=user, now=now),
        "changes": changes,
        "problem": problem,
        "why_not": permissions.why_not_sign_link(user, row, now=now) or "",
        "refuse_why_not": permissions.why_not_refuse_link(user, row, now=now) or "",
        "signed_as": user.called,
        "now": now,
    }
