"""What each outcome does, by kind of item: the table from decisions to changes.

Owns the acts on credentials and bindings, and the order in which kinds are carried
out. Many items take as many statements as one. When that is, is reviews/actions/carrying.py and,
for what goes out at commit, whoever settles an item.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from identities.acting import COUNTERSIGN, By
from identities.actions import bindings, revocations
from identities.models import Binding, Credential, Revocation
from identities.permissions import NotAllowed, NotPossible
from reviews.models import Case, Item

from . import declared, delegated, entitled, entries, held_first, quarantining, settling
from .carried import Act, Came, Due, Waits, identity_of, in_words, plan_of

# These go out when they are agreed, whatever else of the case is still open (decisions 19).
AT_ONCE = frozenset({"revoke"})
REFUSED = "could not be carried out"
ON_ITS_WAY = ("requested", "sending", "sent", "confirmed")

type Outcome = tuple[Case, Item]


def carry(case: Case, item: Item, *, by: By, now: datetime) -> None:
    """Do what the item's outcome says."""
    carry_all([(case, item)], by=by, now=now)


def at_once(case: Case, item: Item, *, now: datetime) -> None:
    """What the seats agree to revoke goes out at commit, before the rest is decided."""
    at_once_all([(case, item)], now=now)


def at_once_all(those: Sequence[Outcome], *, now: datetime) -> None:
    """The same of many items of locked cases."""
    due = [
        (case, item)
        for case, item in those
        if (item.outcome in AT_ONCE or _contains(item)) and item.carried_out_at is None
    ]
    carry_all(due, by=COUNTERSIGN, now=now)


def _contains(item: Item) -> bool:
    """Whether both seats have answered about a containment step, which waits for nothing else."""
    return "containment" in item.proposal and item.outcome in ("approve", "deny")


def carry_all(
    those: Sequence[Outcome], *, by: By, now: datetime, ends: frozenset[UUID] = frozenset()
) -> None:
    """Do what the outcomes of many items say, kind by kind. What cannot be done stays on its item
    as a sentence, and waits for a person. `ends`: the replacements whose date has come."""
    if not those:
        return
    before = held_first.newest([item.pk for _, item in those])
    acts: dict[Act, list[Due]] = {}
    first: list[Due] = []
    for case, item in those:
        one = Due(case, item, "revoke" if item.pk in ends else item.outcome)
        state = before.get(item.pk, "")
        if (
            item.pk in ends
            or state == "revoked"
            or (state != "held" and not held_first.may_be(one))
        ):
            acts.setdefault(_act(one), []).append(one)
        elif state == "held" or entitled.ALLOWED in item.snapshot:
            _alone(one, by=by, now=now)
        else:
            first.append(one)
    for one in _hold(first, now=now) if first else ():
        acts.setdefault(_act(one), []).append(one)
    for act in sorted(acts, key=_ORDER.index):
        some = acts[act]
        for one, came in zip(some, act(some, by=by, now=now), strict=True):
            _take(one.item, came, now)
        settling.write([one.item for one in some])
    entries.note_all([_said(case, item) for case, item in those], by=by, now=now)


def wait(case: Case, item: Item, why: str, *, by: By, now: datetime) -> None:
    """Nothing of it happened, and nobody knows why: a person has to look."""
    item.refresh_from_db()
    item.case, before = case, item.carried_words
    _take(item, NotPossible(why), now)
    if item.carried_words == before:
        return
    settling.write([item])
    entries.note_all([_said(case, item)], by=by, now=now)


def _hold(those: Sequence[Due], *, now: datetime) -> list[Due]:
    """Hold these for some days before they are cut; those of which nothing works are cut at once."""
    rest = []
    for one, came in zip(those, held_first.hold_all(those, now=now), strict=True):
        if came is None:
            rest.append(one)
        else:
            _take(one.item, came, now)
    settling.write([one.item for one in those])
    return rest


def _alone(one: Due, *, by: By, now: datetime) -> None:
    """Do one act; what is revoked may be held for some days before, and what was held so may be
    let go."""
    case, item = one.case, one.item
    try:
        with transaction.atomic():
            quarantining.over(case, item, now=now)
            if quarantining.holds_it(case, item, now=now):
                return
            (came,) = _act(one)([one], by=by, now=now)
            if isinstance(came, NotPossible | NotAllowed):
                raise came
            _take(item, came, now)
            settling.write([item])
    except (NotPossible, NotAllowed) as problem:
        item.refresh_from_db(fields=["carried_out_at", "due_at", "snapshot"])
        _take(item, problem, now)
        settling.write([item])


def _take(item: Item, came: Came, now: datetime) -> None:
    if isinstance(came, str):
        item.carried_out_at, item.carried_words = now, came
    elif isinstance(came, Waits):
        item.due_at, item.carried_words = came.until, came.words
    else:
        item.carried_words = f"{REFUSED}: {came}"


def _said(case: Case, item: Item) -> entries.Said:
    return entries.Said(
        case,
        "item.carried_out" if item.carried_out_at else "item.waits",
        f"{item.title}: {item.outcome.replace('_', ' ')}: {item.carried_words}"[:1_000],
        {"item": str(item.pk), "outcome": item.outcome},
    )


def _credentials(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:
    """Keep, replace and revoke: what is asked for at the target is asked for together."""
    refs = [one.item.ref for one in those if one.item.ref is not None]
    known = Credential.objects.select_related("actor").in_bulk(refs)
    # A hold that is still on its way would arrive after the answer.
    rows = Revocation.objects.filter(credential__in=known, step="hold", state__in=ON_ITS_WAY)
    held = set(rows.values_list("credential", flat=True))
    held |= {pk for pk, one in known.items() if one.state == "held"}
    replaced = [one.item for one in those if one.does == "replace"]
    answered = settling.standing(replaced) if replaced else {}
    found: list[Came] = []
    asks: dict[int, revocations.Ask] = {}
    for place, one in enumerate(those):
        try:
            credential = None if one.item.ref is None else known.get(one.item.ref)
            if one.item.ref is None:
                raise NotPossible("This item names no credential.")
            if credential is None:
                raise NotPossible("Its credential is gone.")
            plan = plan_of(answered.get(one.item.pk, ()))
            came, step = _of_credential(one, credential, held, plan)
            if step:
                ask = _ask(one.case, credential, step)
                # What takes the place of a key is often made with it, and goes on: where the key was
                # stolen, what the agent's own runs issued or use.
                asks[place] = ask._replace(
                    takes_issued=one.item.outcome != "replace" or one.case.door == "incident",
                    spares_own=one.item.outcome == "replace",
                )
        except NotPossible as refused:
            came = refused
        found.append(came)
    made = revocations.request_all(list(asks.values()), by=by, now=now) if asks else ()
    for (place, ask), done in zip(asks.items(), made, strict=True):
        if ask.step == "revoke":
            found[place] = _over(ask, done) or _waited_for(those[place].case, done)
        elif found[place] == "":
            found[place] = _released(done)
    return found


def _of_credential(
    one: Due, credential: Credential, held: set[UUID], plan: datetime | None
) -> tuple[Came, str]:
    """What becomes of it in words, and the step that is asked for: "": none."""
    if one.does == "keep":
        if credential.pk not in held:
            return f"kept, it is {credential.state}", ""
        if credential.state != "held":
            # Once: its hold is not on its way any more for who keeps it after this one.
            held.discard(credential.pk)
        identity_of(one.case)
        return "", "release"
    if one.does == "replace":
        if plan is None:
            raise NotPossible("No answer says by when it is replaced: answer again with a date.")
        words = f"ends on {plan:%-d %b %Y %H:%M} UTC, when it has to be replaced"
        if credential.state != "held":
            return Waits(words, plan), ""
        identity_of(one.case)
        return Waits(words, plan), "release"
    identity_of(one.case)
    return "", "revoke"


def _ask(case: Case, credential: Credential, step: str) -> revocations.Ask:
    because = f"{case.key} keeps it" if step == "release" else f"decided in {case.key}"
    return revocations.Ask(
        identity_of(case),
        step,
        because,
        credential,
        case=case.pk,
        case_key=case.key,
        urgent=case.door == "incident",
        # A review of years ends no roles that a pipeline's key has made meanwhile.
        takes_made=case.door == "incident",
    )


def _over(ask: revocations.Ask, made: revocations.Made) -> str:
    """What has ended already, and took nothing along; "" of anything else."""
    one = ask.credential
    if one is None or one.state not in ("revoked", "expired") or made.refused is None:
        return ""
    return f"{one.short} is {one.state} already"


def _waited_for(case: Case, made: revocations.Made) -> Came:
    """What stands for it, in words; a change that was open already is waited for as well."""
    if made.refused is not None:
        return made.refused
    open_before = [row.pk for row in made.rows if row.case is None]
    if open_before:
        Revocation.objects.filter(pk__in=open_before, case__isnull=True).update(
            case=case.pk, case_key=case.key
        )
    return f"{in_words(made.rows)}{made.with_it()}"


def _released(made: revocations.Made) -> Came:
    if isinstance(made.refused, NotPossible):
        said = f"could not be released: {made.refused}"
        return NotPossible(f"{said.removesuffix('.')}.")
    if made.refused is not None:
        return made.refused
    return f"{made.rows[0].key} requested: {made.rows[0].words}{made.with_it()}"


def _bindings(those: Sequence[Due], *, by: By, now: datetime) -> list[Came]:
    """Keep confirms what is proposed, revoke rejects it; what is settled already stays so."""
    known = Binding.objects.in_bulk([one.item.proposal["binding"] for one in those])
    verdicts: dict[int, bindings.Verdict] = {}
    for one in those:
        row = known.get(one.item.proposal["binding"])
        if row is not None and row.state == "proposed" and row.superseded_at is None:
            state, reason = "confirmed", ""
            if one.does == "revoke":
                state, reason = "rejected", f"decided in {one.case.key}"
            verdicts.setdefault(row.pk, bindings.Verdict(row, state, reason))
    made = bindings.settle_all(list(verdicts.values()), by=by, now=now) if verdicts else []
    refused = {
        pk: one for pk, one in zip(verdicts, made, strict=True) if not isinstance(one, Binding)
    }
    found: list[Came] = []
    for one in those:
        pk, does = one.item.proposal["binding"], "confirmed" if one.does == "keep" else "rejected"
        gone = None if pk in known else NotPossible("Its binding is gone.")
        found.append(gone or refused.get(pk) or f"the binding is {does}")
    return found


def _act(one: Due) -> Act:
    return _ACTS.get((one.item.kind, one.does), declared.nothing)


# (kind of item, outcome) -> what is done, in this order. What is not here changes nothing.
_ACTS: dict[tuple[str, str], Act] = {
    **{
        ("delegation", does): delegated.carry_all
        for does in ("keep", "narrow", "replace", "revoke")
    },
    **{("grant", does): delegated.carry_all for does in ("approve", "deny")},
    **entitled.ACTS,
    **{("credential", does): _credentials for does in ("keep", "replace", "revoke")},
    **{("binding", does): _bindings for does in ("keep", "revoke")},
    **declared.ACTS,
}
_ORDER = [*dict.fromkeys(_ACTS.values()), declared.nothing]
