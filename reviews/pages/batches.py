"""One signature on many targets as pages: what it would do, and what became of each.

Owns the contexts of templates/cascade.html, batch_new.html, batches.html and batch.html, the rows of
its file, and what is chosen in a list for it. Constant queries.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from django.conf import settings
from django.db.models import Q

from evidence.parameters import Known, understood, whole
from evidence.words import counted
from identities.actions import batches, revocations
from identities.actions.batches import Planned, signing
from identities.models import Batch, Identity, Revocation, User
from identities.permissions import NotPossible
from reviews.exports import moment
from reviews.pages import lists

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
# What nobody signs alone is not offered; signed before, it is listed.
ALONE = ("hold", "release")


PATH = "/batches/"
KNOWN: Known = {
    "q": (),
    "step": tuple(STEPS),
    "kind": ("cascade", "named"),
    "signed": ("mine",),
    **lists.PAGES,
}
LISTS: dict[str, tuple[Known, Any]] = {
    "identities": (lists.OF_IDENTITIES, lists.matching_identities),
    "credentials": (lists.OF_CREDENTIALS, lists.matching_credentials),
}
LONGEST_ASKED = 4_000


# --- What is chosen in a list --------------------------------------------------------------------


def picks(list_: str, user: User, asked: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """What a list offers to do with its rows (templates/components/picks.html); empty for who may
    not ask for many."""
    if batches.why_not_ask_many(user, now=now):
        return {}
    rest = {name: value for name, value in asked.items() if value and name != "page"}
    return {"list": list_, "asked": urlencode(rest)[:LONGEST_ASKED], "most": batches.MOST}


def chosen(
    from_: str, picked: Sequence[str], asked: str, user: User, *, now: datetime
) -> list[str]:
    """The keys of the rows that were selected, or of all that the list is narrowed to. Raises
    NotPossible where there are none, or more than one signature acts on."""
    if from_ not in LISTS:
        if not picked:
            raise NotPossible("Nothing was selected: tick rows of the list, or name targets here.")
        return list(picked)
    known, matching = LISTS[from_]
    kept, left_out = understood(dict(parse_qsl(asked[:LONGEST_ASKED])), known)
    if left_out:
        raise NotPossible("This list is narrowed by what it does not know: open it again.")
    rows = matching(user, kept, now=now)
    count = rows.count()
    if not count:
        raise NotPossible("Nothing stands in this list any more.")
    if count > batches.MOST:
        raise NotPossible(
            f"{counted(count, 'row')} stand in this list, and one signature acts on at most"
            f" {batches.MOST:,}: narrow it, or name targets here."
        )
    return [one.key for one in rows.order_by("number").only("number")]


# --- The list of them ----------------------------------------------------------------------------


def index(user: User, asked: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/batches.html."""
    kept, left_out = understood(asked, KNOWN)
    rows = batches.seen_by(user)
    for name in ("step", "kind"):
        if kept.get(name):
            rows = rows.filter(**{name: kept[name]})
    if kept.get("signed"):
        rows = rows.filter(by=user.ref)
    q = kept.get("q", "").strip()[:200]
    if q:
        number = whole(q.upper().removeprefix("BAT-"), longest=15)
        by_key = Q(pk__in=[]) if number is None else Q(number=number)
        named = Q(root__name__icontains=q) | Q(by_name__icontains=q)
        rows = rows.filter(Q(because__icontains=q) | named | by_key)
    total = rows.count()
    shown, page = lists.page_of(rows, dict(kept), PATH)
    far = batches.far(shown)
    kinds = {"cascade": "all that comes from one", "named": "named one by one"}
    return {
        "section": "front",
        "title": "Signed for many",
        "crumbs": [{"words": "Not finished", "url": "/unfinished/"}],
        "left_out": left_out,
        "now": now,
        "q": q,
        "filters": [
            lists.choice(
                "step", "Step", [one for one in STEPS if one != "resume"], kept.get("step", "")
            ),
            lists.choice("kind", "Which targets", kinds, kept.get("kind", "")),
            lists.choice("signed", "Signed by", {"mine": "me"}, kept.get("signed", "")),
        ],
        "narrowed": any(value for name, value in kept.items() if name != "page"),
        "rows": [_listed(one, far.get(one.pk, batches.Far())) for one in shown],
        "page": page | {"total": total},
        "acts": [
            {
                "words": "Stop many at once",
                "url": f"{PATH}new/",
                "icon": "ban",
                "get": True,
                "why_not": batches.why_not_ask_many(user, now=now) or "",
            }
        ],
    }


def _listed(one: Batch, far: batches.Far) -> dict[str, Any]:
    what = counted(far.targets, "target")
    from_ = f", all that comes from {one.root.name}" if one.root is not None else ""
    return {
        "key": one.key,
        "url": f"{PATH}{one.key}/",
        "words": f"{one.step.capitalize()} {what}{from_}",
        "because": one.because,
        "at": one.at,
        "by": one.by_name or one.by,
        "case": {"key": one.case_key, "url": f"/cases/{one.case_key}/"} if one.case_key else None,
        "far": far,
    }


# --- What it would do ----------------------------------------------------------------------------


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
            if one in ALONE
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
        "crumbs": [{"words": "Signed for many", "url": PATH}],
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
            if one in ALONE
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
        "title": f"{batch.key}: {batch.step} {counted(len(found), 'target')}",
        "crumbs": [{"words": "Signed for many", "url": PATH}],
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
