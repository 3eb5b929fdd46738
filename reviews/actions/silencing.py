"""What silence means for cases, and doing it: what nobody answered is cut, denied or left.

Owns the consequence, and the words of what was really done; when it is due is deadlines.py. It is
for what lacks an answer of any seat: one owner's yes is never enough (decisions 14). Many cases
take as many statements as one, and what cannot be cut in one keeps nothing from being cut in the
others. Nothing is cut
where a scope only observes or asks, where evidence is not fresh, nor on critical identities: there
it is noted, or goes to a named person (product.md, rules 5 and 8).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.permissions import NotAllowed, NotPossible
from reviews.ladder import CUTS
from reviews.models import Case, Decision, Item
from reviews.permissions import SIGNING

from . import consequences, settling, stages
from .asked import Asked
from .items import keep_what_is_used

WORDS = {
    "escalate": "it goes to the backups and the tie-breaker",
    "suspend": "{name} is suspended",
    "hold": "{name} is held: it is a draft, and what never was active is not suspended",
    "narrow": "what was not seen in evidence is narrowed away",
    "revoke": "what not every seat answered is revoked",
    "deny": "the request is denied",
    "noted": "it is only noted: {name} is in observe mode",
    "go_on": "{stage} is asked",
    # What happens at a vendor is in no log of ours (docs/attestation.md).
    "integration": "nothing is cut, because our logs do not show all of an external integration: it"
    " goes to the backups and the tie-breaker",
}

HELD = "what not every seat answered is held for some days, and then revoked"
DIFFER = "all seats have answered and differ, so the tie-breaker decides"
WAITS = "it waits for its seats, the backups and the tie-breaker"
# (kind of item, what silence does) that silence changes something of.
CUT = frozenset(
    {
        ("grant", "deny"),
        ("manifest", "deny"),
        ("step", "deny"),
        ("credential", "revoke"),
        ("delegation", "revoke"),
        ("identity", "revoke"),
        ("delegation", "narrow"),
    }
)
NOT_CUT = {
    "revoke": "is nothing that silence revokes,",
    "narrow": "is nothing of which evidence says what to narrow it to,",
    "deny": "is nothing that silence denies,",
}


def consequence(case: Case, *, does: str = "", doubt: str = "") -> str:
    """What silence will really do, softened by mode, criticality and doubt about the evidence.

    `does`: of a later rung; without it, when the answers are due.
    """
    if case.next_stage and not does:
        return "deny" if stages.silence_denies(case) else "go_on"
    identity, does = case.identity, does or case.silence
    if does == "deny" or identity is None:
        return does
    if identity.mode == "observe":
        return "noted"
    soft = doubt or identity.mode != "enforce" or identity.criticality == "critical"
    soft = soft or identity.kind == "integration"
    return "escalate" if does in CUTS and soft else does


def sentence(case: Case, *, does: str = "", doubt: str = "") -> str:
    """ "report-agent is suspended": what happens when nobody decides; once it has, see `Done`."""
    chosen = consequence(case, does=does, doubt=doubt)
    if case.silence_done_at is not None and not does and chosen in CUTS:
        # What was really done is in the ledger (`Done`); this is what is left of it.
        if case.state == "closed":
            return "nothing more: the review is closed"
        stopped = case.identity is not None and case.identity.state == "suspended"
        return f"{_name(case)} is suspended; {WAITS}" if stopped else WAITS
    whole = case.identity is None or case.identity.kind != "integration"
    if chosen == "escalate" and (does or case.silence) in CUTS and not whole:
        chosen = "integration"
    if chosen == "suspend" and case.identity is not None and case.identity.state == "draft":
        chosen = "hold"
    return WORDS.get(chosen, WORDS["escalate"]).format(name=_name(case), stage=case.next_stage)


def undecided(case: Case, asked: Asked, at: datetime) -> str:
    """What kept a case from being decided by then, as a clause: that nobody decided is not said
    where the seats have answered, and differ."""
    by = f"by {at:%Y-%m-%d %H:%M} UTC"
    if not asked.silent(case) and case.pk in asked.differ:
        return f"All seats had answered {case.key} {by}, and they differ"
    if case.stage:
        # Whoever is asked blind is not told whether others have answered.
        return f"{case.key} was not decided {by}"
    if case.pk in asked.answered:
        return f"Not every seat had answered {case.key} {by}"
    return f"Nobody decided {case.key} {by}"


def all_differ(case: Case, silent: Sequence[object]) -> bool:
    """Whether nobody is silent in a case and its seats differ, so that nothing of it is cut.

    While another stage follows, it is asked; and who sits there may be asked blind.
    """
    if silent or case.next_stage:
        return False
    return Item.objects.filter(case=case, outcome="conflict").exists()


def _name(case: Case) -> str:
    return case.identity.name if case.identity is not None else case.title


class Cut(NamedTuple):
    """What silence does in a locked case (`consequence`), and by when nobody had decided."""

    case: Case
    chosen: str
    at: datetime


class Done(NamedTuple):
    """What silence really did in a case, and the words of it; `did` is "" where it was nothing,
    and so are the words where its stage says what becomes of it without answers."""

    did: str
    words: str


@dataclass
class _Came:
    """What the unsettled items of a case have come to."""

    cut: list[Item] = field(default_factory=list)  # by silence
    given: int = 0  # by an answer, or by what a stage says of having none
    left: int = 0  # still open
    differ: int = 0  # in conflict: the tie-breaker settles it
    lacking: bool = False  # a seat was silent on something that is not over by now


def do_all(cuts: Sequence[Cut], *, asked: Asked, now: datetime) -> dict[UUID, Done]:
    """Cut, deny or suspend where a seat was silent in these cases, each named once; what was
    done in each."""
    of = {cut.case.pk: cut for cut in cuts}
    items = _unsettled(of)
    keep_what_is_used(
        [
            one
            for one in items
            if of[one.case_id].chosen == "narrow" and one.kind == "delegation" and not one.outcome
        ],
        now=now,
    )
    standing = settling.standing(items)
    reading = stages.Reading([cut.case for cut in cuts], now=now, asked=asked)
    came = {pk: _Came() for pk in of}
    changed = []
    for item in items:
        case, chosen, given = item.case, of[item.case_id].chosen, standing[item.pk]
        said = _spoken(item, given, asked, reading)
        # A conflict stays one: the tie-breaker settles it.
        settled = (
            item.outcome == ""
            and (case.stage != "" or any(said))
            and settling.add_up(
                case, item, given, asked.seats[case.pk], now=now, due=True, reading=reading
            )
        )
        settled |= _without(item, said, chosen, came[case.pk], now=now)
        if settled:
            changed.append((case, item))
    reading.save()
    settling.write([item for _, item in changed])
    by_silence = {item.pk for one in came.values() for item in one.cut if item.outcome != "deny"}
    consequences.carry_all(
        [
            (case, item)
            for case, item in changed
            if item.pk in by_silence or item.outcome in consequences.AT_ONCE
        ],
        by=COUNTERSIGN,
        now=now,
    )
    _without_items(of, came, items)
    suspended = _suspend([cut for cut in cuts if came[cut.case.pk].lacking], now=now)
    return {pk: _done(cut, came[pk], suspended.get(pk)) for pk, cut in of.items()}


def _unsettled(of: dict[UUID, Cut]) -> list[Item]:
    """What has no outcome in these cases, or one that is in conflict, locked; in their order."""
    rows = Item.objects.select_for_update().filter(case__in=of, outcome__in=stages.OPEN)
    found: dict[UUID, list[Item]] = {pk: [] for pk in of}
    for item in rows.order_by("case", "position"):
        item.case = of[item.case_id].case
        found[item.case_id].append(item)
    return [item for items in found.values() for item in items]


def _spoken(
    item: Item, given: Sequence[Decision], asked: Asked, reading: stages.Reading
) -> list[str | None]:
    """The answer of each seat whose turn it is; None: it was silent."""
    if item.case.stage:
        return stages.spoken(item.case, item, given, reading)
    by_seat = {row.seat_id: row.answer for row in given}
    return [by_seat.get(seat.pk) for seat in asked.seats[item.case_id] if seat.kind in SIGNING]


def _without(
    item: Item, said: Sequence[str | None], chosen: str, came: _Came, *, now: datetime
) -> bool:
    """What becomes of an item on which a seat was silent, of which the answers have been added up:
    the stricter of what they came to and what silence does; whether that changes it."""
    if item.outcome == "conflict":
        came.differ += 1
        came.lacking |= None in said
        return False
    settled = False
    stricter = chosen == "suspend" or (chosen == "revoke" and (item.kind, chosen) in CUT)
    if stricter and None in said and any(said) and item.outcome not in ("", "revoke"):
        # What one seat said alone is not enough to be spared what silence does.
        settled = settling.come_to(item.case, item, "", now=now)
    # In a case with stages an earlier one may have been silent, whatever its last one said.
    if item.outcome == "" and (by_silence := _by_silence(item, chosen)):
        settled |= settling.come_to(item.case, item, by_silence, now=now)
        came.cut.append(item)
    elif item.outcome:
        came.given += 1
    else:
        came.left += 1
        came.lacking = True
    return settled


def _by_silence(item: Item, chosen: str) -> str:
    """The outcome that silence gives an item; "": it changes nothing of it."""
    if (item.kind, chosen) not in CUT:
        return ""
    if chosen == "narrow":
        # Only what evidence has shown to be used can be told from what was not.
        seen = item.snapshot.get("evidence") and item.snapshot.get("seen")
        return "narrow" if seen and item.proposal.get("actions") else ""
    return chosen


def _without_items(of: dict[UUID, Cut], came: dict[UUID, _Came], items: Sequence[Item]) -> None:
    """Where there is nothing to answer, nobody has answered for the identity either."""
    quiet = of.keys() - {item.case_id for item in items}
    if quiet:
        some = set(Item.objects.filter(case__in=quiet).values_list("case", flat=True))
        for pk in quiet - some:
            came[pk].lacking = True


def _suspend(cuts: Sequence[Cut], *, now: datetime) -> dict[UUID, str | NotPossible | NotAllowed]:
    """Nothing of the identities works, at our door and, by holding their keys, at the target; what
    was held of each, or why it could not be suspended."""
    asks = [
        revocations.Ask(
            cut.case.identity,
            "suspend",
            f"{cut.case.key}: nobody decided by {cut.at:%Y-%m-%d %H:%M} UTC",
            case=cut.case.pk,
            case_key=cut.case.key,
        )
        for cut in cuts
        if cut.chosen == "suspend" and cut.case.identity is not None
    ]
    if not asks:
        return {}
    said = revocations.suspend_all_with_keys(asks, by=COUNTERSIGN, now=now)
    return {ask.case: one for ask, one in zip(asks, said, strict=True) if ask.case is not None}


def _done(cut: Cut, came: _Came, suspended: str | NotPossible | NotAllowed | None) -> Done:
    """What was done in a case, from what was done in it and not from what was meant."""
    did, said = "", []
    if isinstance(suspended, str):
        did = "suspend"
        said.append(f"{sentence(cut.case, does='suspend')}; {suspended}")
    elif suspended is not None:
        said.append(f"{_name(cut.case)} could not be suspended: {str(suspended).removesuffix('.')}")
    failed = [item for item in came.cut if item.carried_words.startswith(consequences.REFUSED)]
    held = [item for item in came.cut if item.due_at is not None]
    if len(came.cut) > len(failed):
        did = cut.chosen
        said.append(HELD if held else WORDS[did].format(name=_name(cut.case)))
    if failed:
        said.append(f"{counted(len(failed), 'item')} could not be cut: {failed[0].carried_words}")
    if came.left and cut.chosen != "suspend":
        said.append(f"{counted(came.left, 'item')} {NOT_CUT[cut.chosen]} and stays open")
    if came.differ:
        said.append(
            f"the tie-breaker decides {counted(came.differ, 'item')}, on which seats differ"
        )
    if came.given and cut.chosen != "deny" and (said or not cut.case.stage):
        said.append(f"{counted(came.given, 'item')} became what those who answered said")
    if not said and not came.given:
        said.append("there is nothing in it that it could cut")
    return Done(did, "; ".join(said))
