"""One signature on many targets as pages: what it would do, and what became of each.

Owns the contexts of templates/cascade.html, batch_new.html and batch.html, and the rows of its file.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.conf import settings

from identities.actions import batches, revocations
from identities.actions.batches import Planned, signing
from identities.models import Batch, Identity, Revocation, User
from reviews.exports import moment

COLUMNS = [
    *("place", "above", "depth", "named", "what"),
    *("result", "revocation", "state", "lives_until", "url"),
]
STEPS = {
    "hold": "Hold: nothing new works, and it can be let go",
    "release": "Release what is held",
    "suspend": "Suspend: nothing works, and it can be resumed",
    "resume": "Resume what is suspended",
    "revoke": "Revoke: it cannot be taken back",
}


def cascade(
    root: Identity, step: str, user: User, *, by_hand: bool = False, now: datetime
) -> dict[str, Any]:
    """templates/cascade.html: the tree, tried out."""
    step = step if step in signing.CASCADE else "hold"
    path = f"/identities/{root.key}/cascade/"
    plan = batches.plan_cascade(root=root, step=step, by=user, now=now, by_hand=by_hand)
    return {
        "section": "identities",
        "title": f"Stop {root.name} and all that comes from it",
        "crumbs": [
            {"words": "Identities", "url": "/identities/"},
            {"words": root.name, "url": f"/identities/{root.key}/"},
        ],
        "now": now,
        "identity": {"name": root.name, "url": f"/identities/{root.key}/"},
        "step": step,
        "by_hand": by_hand,
        "by_hand_url": f"{path}?step={step}&by_hand={0 if by_hand else 1}",
        "steps": [
            {"words": STEPS[one], "url": f"{path}?step={one}", "on": one == step}
            for one in signing.CASCADE
        ],
        "rows": [_planned(one) for one in plan],
        "counts": _counts(plan),
        "shared": [one for one in plan if one.shared],
        "sign_url": path,
        "why_not": revocations.why_not(root, step, user, now=now) or "",
        "request_key": str(uuid4()),
    }


def _planned(one: Planned) -> dict[str, Any]:
    return {
        "depth": one.depth,
        "named": one.named,
        "words": one.words,
        "url": _url(one.credential.key if one.credential else "", one.identity),
        "does": one.does,
        "refused": one.refused,
        "lives_until": one.lives_until,
        "credential": one.credential is not None,
        "shared": [f"{use.name} ({use.how})" for use in one.shared],
    }


def _url(credential: str, identity: Identity | None) -> str:
    if credential:
        return f"/credentials/{credential}/"
    return f"/identities/{identity.key}/" if identity is not None else ""


def _counts(plan: Sequence[Planned]) -> dict[str, int]:
    return {
        "all": len(plan),
        "ends": sum(not one.refused for one in plan),
        "left": sum(bool(one.refused) for one in plan),
    }


def asking(
    said: dict[str, str], plan: Sequence[Planned] | None, problem: str, *, now: datetime
) -> dict[str, Any]:
    """templates/batch_new.html: the names, and what the step would do to each."""
    return {
        "section": "identities",
        "title": "Stop many at once",
        "crumbs": [{"words": "Not finished", "url": "/unfinished/"}],
        "now": now,
        "problem": problem,
        "most": batches.MOST,
        "names": said.get("names", ""),
        "reason": said.get("reason", ""),
        "step": said.get("step", "hold"),
        "by_hand": said.get("by_hand") == "1",
        "steps": [
            {"value": one, "words": STEPS[one], "on": one == said.get("step", "hold")}
            for one in signing.NAMED
        ],
        "rows": None if plan is None else [_planned(one) for one in plan],
        "counts": None if plan is None else _counts(plan),
        "request_key": str(uuid4()),
    }


def result(batch: Batch, *, now: datetime) -> dict[str, Any]:
    """templates/batch.html."""
    found = batches.results(batch)
    asked = [rev for one in found for rev in one.revocations]
    done = {rev.pk for rev in asked if rev.state == "effective"}
    return {
        "section": "identities",
        "title": f"{batch.key}: {batch.step} {len(found):,} targets",
        "crumbs": [{"words": "Not finished", "url": "/unfinished/"}],
        "now": now,
        "batch": batch,
        "root": None
        if batch.root is None
        else {"words": batch.root.name, "url": f"/identities/{batch.root.key}/"},
        "effective": len(done),
        "asked": len({rev.pk for rev in asked}),
        "refused": sum(bool(one.row.failed_why) for one in found),
        "rows": [
            {
                "depth": one.row.depth,
                "named": one.row.subject,
                "words": one.row.words,
                "refused": one.row.failed_why,
                "lives_until": one.row.lives_until,
                "revocations": [_revocation(rev) for rev in one.revocations],
            }
            for one in found
        ],
        "out_url": f"/batches/{batch.key}.csv",
        "ledger_url": f"/ledger/?subject={batch.root.key if batch.root else batch.key}",
    }


def _revocation(one: Revocation) -> dict[str, Any]:
    return {
        "key": one.key,
        "url": f"/revocations/{one.key}/",
        "words": one.words,
        "state": one.state,
        "stated": one.stated,
    }


def out(batch: Batch) -> Iterator[dict[str, Any]]:
    """A line for each target and revocation, as COLUMNS."""
    for one in batches.results(batch):
        row = {
            "place": one.row.place,
            "above": one.row.above,
            "depth": one.row.depth,
            "named": one.row.subject,
            "what": one.row.words,
            "result": one.row.failed_why or "asked for",
            "revocation": "",
            "state": "",
            "lives_until": moment(one.row.lives_until),
            "url": "",
        }
        for rev in one.revocations:
            yield row | {
                "revocation": rev.key,
                "state": f"{rev.state}, as people state" if rev.stated else rev.state,
                "url": f"{settings.BASE_URL}/revocations/{rev.key}/",
            }
        if not one.revocations:
            yield row
