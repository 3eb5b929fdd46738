"""What the answers about uses, identities, resuming and release manifests do: sentences and changes.

Owns the acts of the item kinds that stand for no delegation, entitlement or credential. Each
gives the sentences of what happened; when they run is reviews/actions/carrying.py.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from identities.acting import By
from identities.actions import identities as identity_actions
from identities.actions import revocations
from identities.models import Manifest, NewUse
from identities.permissions import NotPossible

from . import suspensions
from .carried import Act, Came, Due, identity_of

REFUSED_USE = (
    "refused: whoever builds the agent has to take it out, Countersign cannot; used all the"
    " same, it is a finding"
)

NOT_RESUMED = "nothing is resumed: since it was asked for, it has been resumed or suspended anew"


def _says(words: str) -> Act:
    def act(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:  # noqa: ARG001 - one shape for all acts
        return [words for _ in those]

    return act


nothing = _says("nothing changes")


def _stop(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:
    """Nothing of them works, at our door and, by holding their keys, at the target: what is active is
    suspended, until resumed; a draft, which never was, is refused for good."""
    drafts = [one for one in those if one.case.identity and one.case.identity.state == "draft"]
    refused = _refuse(drafts, by=by, now=now) if drafts else {}
    rest = [one for one in those if one.item.pk not in refused]
    suspended = iter(_suspend(rest, by=by, now=now) if rest else ())
    return [refused.get(one.item.pk) or next(suspended) for one in those]


def _refuse(those: Sequence[Due], *, by: By, now: datetime) -> dict[UUID, Came]:
    """By item, what became of it; one that was made active meanwhile is not among them."""
    identities = identity_actions.locked_all(
        {one.case.identity.pk for one in those if one.case.identity is not None}
    )
    drafts = {pk: row for pk, row in identities.items() if row.state == "draft"}
    asks: dict[UUID, revocations.Ask] = {}
    found: dict[UUID, Came] = {}
    for case, item, _ in those:
        identity = None if case.identity is None else drafts.get(case.identity.pk)
        if identity is not None:
            found[item.pk] = f"{identity.name} was a draft and is refused: it is retired for good"
            ask = revocations.Ask(
                identity, "hold", f"decided in {case.key}", case=case.pk, case_key=case.key
            )
            asks.setdefault(identity.pk, ask)
        elif case.identity is not None and case.identity.pk in identities:
            case.identity.state = identities[case.identity.pk].state
    held = dict(
        zip(asks, revocations.hold_keys_all(list(asks.values()), by=by, now=now), strict=True)
    )
    retired = [(ask.identity, ask.because) for ask in asks.values()]
    if retired:
        identity_actions.moved_all(retired, "retired", by=by, now=now)
    for case, item, _ in those:
        if item.pk in found and case.identity is not None:
            case.identity.state = "retired"
            found[item.pk] = f"{found[item.pk]}; {held[case.identity.pk]}"[:2_000]
    return found


def _suspend(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:
    """What is active; what is suspended or retired already stays so."""
    asks: dict[UUID, revocations.Ask] = {}
    for case, _, _ in those:
        if case.identity is not None and case.identity.state not in ("suspended", "retired"):
            ask = revocations.Ask(
                case.identity,
                "suspend",
                f"decided in {case.key}",
                case=case.pk,
                case_key=case.key,
            )
            asks.setdefault(case.identity.pk, ask)
    made = revocations.suspend_all_with_keys(list(asks.values()), by=by, now=now) if asks else []
    said = dict(zip(asks, made, strict=True))
    found: list[Came] = []
    for case, _, _ in those:
        identity = case.identity
        if identity is None:
            found.append(NotPossible(f"{case.key} names no identity."))
            continue
        came = said.get(identity.pk)
        if came is None or asks[identity.pk].case != case.pk:
            state = "retired" if identity.state == "retired" else "suspended"
            came = f"{identity.name} is {state} already"
        elif isinstance(came, str):
            came = f"{identity.name} is suspended; {came}"[:2_000]
        found.append(came)
    return found


def _resume(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:
    """What was suspended when it was asked for works again, with the keys held with it; what was
    suspended anew since then is so for another reason, under which nobody has signed."""
    identities = identity_actions.locked_all(
        {one.case.identity.pk for one in those if one.case.identity is not None}
    )
    began = suspensions.begun(identities, now=now)
    asks: dict[UUID, revocations.Ask] = {}
    for case, item, _ in those:
        identity = None if case.identity is None else identities.get(case.identity.pk)
        if identity is None or identity.pk not in began:
            continue
        if began[identity.pk].isoformat() == item.proposal["since"]:
            ask = revocations.Ask(
                identity,
                "resume",
                f"decided in {case.key}",
                case=case.pk,
                case_key=case.key,
            )
            asks[item.pk] = ask
    made = revocations.resume_all_with_keys(list(asks.values()), began, by=by, now=now)
    came = dict(zip(asks, made, strict=True))
    return [came.get(one.item.pk, NOT_RESUMED) for one in those]


def _steps(approved: bool) -> Act:
    """Of those that are containment, what both seats said of it; the others ask to resume."""

    def act(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:
        # Late: containment stands on these acts.
        from reviews.incidents import containing

        steps = [one for one in those if "containment" in one.item.proposal]
        rest = [one for one in those if "containment" not in one.item.proposal]
        said = containing.settle([(one.case, one.item) for one in steps], approved, now=now)
        found: dict[UUID, Came] = {
            one.item.pk: words for one, words in zip(steps, said, strict=True)
        }
        resumed = _resume if approved else _says("it stays suspended")
        came = resumed(rest, by=by, now=now) if rest else []
        found |= {one.item.pk: words for one, words in zip(rest, came, strict=True)}
        return [found[one.item.pk] for one in those]

    return act


def _manifests(state: str, sentence: str, settles: Callable[[Manifest], bool]) -> Act:
    """Sign or refuse those that `settles` says."""

    def act(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:  # noqa: ARG001 - one shape for all acts
        rows = Manifest.objects.select_for_update(of=("self",)).order_by("pk")
        known = rows.in_bulk([one.item.ref for one in those if one.item.ref is not None])
        found: list[Came] = []
        settled: dict[UUID, int] = {}
        for one in those:
            manifest = None if one.item.ref is None else known.get(one.item.ref)
            try:
                number = identity_of(one.case).number
                if manifest is None:
                    raise NotPossible("This item names no manifest, or it is gone.")
            except NotPossible as refused:
                found.append(refused)
                continue
            if settles(manifest):
                manifest.state, manifest.settled_at = state, now
                settled[manifest.pk] = number
            found.append(sentence.format(manifest))
        Manifest.objects.filter(pk__in=settled).update(state=state, settled_at=now)
        if state == "signed":
            # What was known of their releases is held against what is declared of them now.
            NewUse.objects.filter(identity_no__in=settled.values()).update(looked_at=None)
        return found

    return act


# (kind of item, outcome) -> what is done.
ACTS: dict[tuple[str, str], Act] = {
    ("use", "keep"): _says("it may be used"),
    ("use", "revoke"): _says(REFUSED_USE),
    ("identity", "keep"): _says("it goes on as it is"),
    ("identity", "revoke"): _stop,
    ("step", "approve"): _steps(True),
    ("step", "deny"): _steps(False),
    ("manifest", "approve"): _manifests("signed", "{} is signed", lambda _: True),
    ("manifest", "deny"): _manifests(
        "refused", "{} is not signed", lambda one: one.state == "proposed"
    ),
}
