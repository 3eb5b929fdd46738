"""What the places outside hold of the ledger's signed heads, compared with the ledger.

Begins at the places and not at rows of this database: its owner can delete those together with what
they say. Owns what the comparison found and its words; restoring.py states that a backup was restored.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Max

from evidence.ledger import Fault
from evidence.models import Anchor, LedgerEntry, LedgerSeal, SealKey
from evidence.sources.failures import Later, Stopped
from evidence.stores import anchors
from evidence.stores.anchors.configured import Held, SetUp

VERIFIED = "verified"
NOT_ANCHORED = "consistent, not anchored"
NOT_CHECKED = "consistent, not checked outside"
RESTORED, REWRITTEN, WRONG = "restored from a backup", "rewritten", "does not verify"

RESTORED_ACT = "ledger.restored"
RESTORED_TYPE = "countersign-restored+jws"
HERE = "this host's file of signed heads"
DIGITS = 16  # of a hash, by which two heads of one row are told apart
MOST_READ = 100  # statements that are read at a place before the rest is believed by its name
RESTORE = "If a backup was restored, run `manage.py ledger_restored`; if not, somebody removed these entries."
COMPARE = "Do not continue this ledger: compare it with the signed heads and with its backups."


class Restoration(NamedTuple):
    """A person stated that a backup was restored: up to which row, and which heads are given up."""

    row: int
    heads: frozenset[tuple[int, str]]  # number and the first DIGITS of the hash
    words: str


class Outside(NamedTuple):
    """What the places hold, compared with the ledger."""

    state: str
    row: int  # the newest row that a place outside holds as it stands here; 0: none
    matched: int  # the same of this host's file, too: what a restored ledger goes on from
    faults: list[Fault]
    fix: str
    unreachable: list[str]  # a sentence each
    restored: list[Restoration]  # what was stated before
    beyond: list[Held]  # heads that a restored backup does not have


def compare(set_up: SetUp | None) -> Outside:
    """Ask every place, then look into the ledger. Raises Stopped where a key cannot be read."""
    if set_up is None:
        return Outside(NOT_ANCHORED, 0, 0, [], "", [], [], [])
    held, unreachable = _asked(set_up)
    return _compared(held, unreachable, set_up)


def _asked(set_up: SetUp) -> tuple[dict[str, list[Held]], list[str]]:
    """The heads by place, and what each place answered that could not say."""
    held, unreachable = {}, []
    for place in set_up.places:
        try:
            found = anchors.held(place)
        except (Stopped, Later) as problem:
            unreachable.append(
                f"{place.name} was not asked which heads it holds: {problem} {problem.fix}"
            )
            continue
        if found is not None:
            held[place.name] = found
    held[HERE] = anchors.signed_heads.held()
    return held, unreachable


def _compared(held: dict[str, list[Held]], unreachable: list[str], set_up: SetUp) -> Outside:
    current = anchors.keys.public(anchors.keys.signing(set_up.key))
    known = dict(SealKey.objects.values_list("pk", "jwk")) | {current["kid"]: current}
    seals = _seals(one.number for heads in held.values() for one in heads)
    last = LedgerSeal.objects.aggregate(last=Max("number"))["last"] or 0
    # Keys that only this database names do not count here: its owner can add one.
    kids = {one.kid for one in held[HERE]} | {current["kid"]}
    restored = _restorations(
        {kid: jwk for kid, jwk in known.items() if kid in kids and anchors.keys.names(kid, jwk)}
    )
    given_up = {head for one in restored for head in one.heads}
    matched, outside = 0, 0
    other: list[tuple[str, Held]] = []
    for name, heads in held.items():
        fits = [one for one in heads if _fits(one, seals)]
        newest = _newest_signed(fits, known)
        matched = max(matched, newest)
        if name != HERE:
            outside = max(outside, newest)
        differs = [
            one for one in heads
            if not _fits(one, seals) and (one.number, one.hash[:DIGITS]) not in given_up
        ]  # fmt: skip
        other += [(name, one) for one in _signed(differs, known)]
    other.sort(key=lambda pair: pair[1].number)
    said: dict[str, Any] = {"unreachable": unreachable, "restored": restored}
    if other:
        return _differing(other, seals, last, row=outside, matched=matched, **said)
    if matched and not Anchor.objects.exists() and not any(one.row >= matched for one in restored):
        what = "was signed, and no row of this database says so: its anchors were deleted"
        fault = [Fault(matched, what)]
        return Outside(REWRITTEN, outside, matched, fault, RESTORE, beyond=[], **said)
    state = VERIFIED if outside else NOT_CHECKED
    if not (outside or unreachable or matched or Anchor.objects.exists()):
        state = NOT_ANCHORED
    return Outside(state, outside, matched, [], "", beyond=[], **said)


def _differing(
    other: list[tuple[str, Held]], seals: dict[int, tuple[str, datetime]], last: int, *,
    row: int, matched: int, **said: Any,
) -> Outside:  # fmt: skip
    """Heads that are not this ledger's: of rows that a restored backup never had, or that were rewritten.

    A row that was sealed later than the other head of it was signed is one that was added after a backup
    was restored; both names keep the ledger from being signed until a person states what happened.
    """
    name, newest = max(other, key=lambda pair: pair[1].number)
    until = f"{newest.at:%Y-%m-%d %H:%M} UTC"
    if all(
        one.number > matched and (one.number not in seals or seals[one.number][1] > one.at)
        for _, one in other
    ):
        many = newest.number - min(last, matched if newest.number <= last else last)
        most = "" if newest.number > last and other[0][1].number > last else "up to "
        entries = "entry is" if many == 1 else "entries are"
        what = f"restored from a backup: {most}{many:,} {entries} missing up to {until}"
        what += f"; {name} holds the signed head of row {newest.number:,}"
        faults = [Fault(other[0][1].number, what)]
        beyond = [one for _, one in other]
        return Outside(RESTORED, row, matched, faults, RESTORE, beyond=beyond, **said)
    faults = [
        Fault(
            one.number,
            f"has another hash than the head that {place} holds since {one.at:%Y-%m-%d %H:%M} UTC:"
            " the ledger was rewritten"
            if one.number in seals
            else f"was signed and is gone, {place} holds its head: the ledger was rewritten",
        )
        for place, one in other
    ]
    return Outside(REWRITTEN, row, matched, faults, COMPARE, beyond=[], **said)


def _seals(numbers: Iterable[int]) -> dict[int, tuple[str, datetime]]:
    rows = LedgerSeal.objects.filter(number__in=set(numbers))
    return {
        number: (bytes(digest).hex(), at)
        for number, digest, at in rows.values_list("number", "hash", "sealed_at")
    }


def _fits(one: Held, seals: dict[int, tuple[str, datetime]]) -> bool:
    return one.number in seals and seals[one.number][0].startswith(one.hash)


def _signed(heads: list[Held], known: dict[str, dict[str, Any]]) -> list[Held]:
    """Those that are signed heads: whoever may write at a place can leave other text there. One by a key
    that is not known counts: whoever rewrites a database deletes its keys, too."""
    heads = sorted(heads, key=lambda one: -one.number)
    return [one for one in heads[:MOST_READ] if _is_signed(one, known)] + heads[MOST_READ:]


def _newest_signed(heads: list[Held], known: dict[str, dict[str, Any]]) -> int:
    """The newest row whose head is signed by a key that is known; 0: none."""
    for one in sorted(heads, key=lambda one: -one.number)[:MOST_READ]:
        if _is_signed(one, known, by_unknown=False):
            return one.number
    return 0


def _is_signed(one: Held, known: dict[str, dict[str, Any]], *, by_unknown: bool = True) -> bool:
    if one.statement is None:
        return True
    try:
        said = anchors.keys.said_by(one.statement(), known)
    except anchors.keys.Unknown:
        return by_unknown
    except anchors.keys.Forged:
        return False
    return said.number == one.number and said.hash.hex().startswith(one.hash)


def _restorations(keys: dict[str, dict[str, Any]]) -> list[Restoration]:
    """What was stated, signed by one of these keys, of the ledger as it is now."""
    found = []
    for words, data in LedgerEntry.objects.filter(act=RESTORED_ACT).values_list("words", "data"):
        try:
            said, _ = anchors.keys.payload(data["statement"], keys, kind=RESTORED_TYPE)
            row, heads = int(said["row"]), frozenset((int(n), str(h)) for n, h in said["heads"])
        except (anchors.keys.Forged, KeyError, TypeError, ValueError):
            continue
        digest = LedgerSeal.objects.filter(pk=row).values_list("hash", flat=True).first()
        if (bytes(digest).hex() if digest else "") == said.get("hash"):
            above = frozenset(one for one in heads if one[0] > row)
            found.append(Restoration(row, above, words))
    return found
