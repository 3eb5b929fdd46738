"""The ledger's head, signed and left where nobody here can rewrite it (decisions 12).

A chain shows what was changed inside it; that all of it was written anew, or its end cut off,
shows only against a head that somebody else has. Owns when a head is signed, its way to each
place, and whether the ledger still says what was signed. What a place is: evidence/stores/anchors.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import random
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from evidence import ledger, merkle, outside_heads
from evidence.models import Anchor, AnchorCopy, LedgerSeal, SealKey
from evidence.sources.failures import Later, Stopped
from evidence.stores import anchors
from evidence.stores.anchors.configured import SetUp

# Longer than a place is asked (stores/anchors/asking.py): whoever took it is gone.
LEASE = timedelta(minutes=3)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
LONGEST_WHY = 400
ROWS = 10_000
NO_PLACE = "this place is not set up any more"


def make(set_up: SetUp, *, now: datetime, anyway: bool = False) -> Anchor | None:
    """Sign the head when it is time (or anyway) and the ledger has grown; None: not now.

    A head is signed once, whoever is first. Raises Stopped where the key cannot be read, and where
    the ledger no longer says what was signed before: a rewritten one is not signed on. What was signed
    is asked of the places outside; none is signed while none of those that can be asked answers, and
    no first one while any of them does not.
    """
    last = Anchor.objects.order_by("-number").first()
    head = LedgerSeal.objects.order_by("-number").first()
    early = last is not None and now < last.made_at + set_up.every
    if head is None or (early and not anyway):
        return None
    found = outside_heads.compare(set_up)
    if found.faults:
        raise Stopped(f"Row {found.faults[0].number:,}: {found.faults[0].what}.", found.fix)
    if found.unreachable and (last is None or not found.row):
        return None
    if last is not None:
        if wrong := _wrong(last, LedgerSeal.objects.filter(pk=last.pk).first()):
            raise Stopped(
                f"Row {last.number:,} of the ledger {wrong}.", "Compare it with the copies."
            )
        if head.number <= last.number:
            return None
    key = anchors.keys.signing(set_up.key)
    public = anchors.keys.public(key)
    peaks = merkle.Peaks(last.number, bytes(last.peaks)) if last is not None else merkle.Peaks()
    peaks.add(leaves(peaks.size, head.number))
    if peaks.size != head.number:
        raise Stopped("Rows of the ledger are missing.", "Run `manage.py verify_ledger`.")
    tree = peaks.root()
    with transaction.atomic():
        known, new = SealKey.objects.get_or_create(
            pk=public["kid"], defaults={"jwk": public, "first_used_at": now}
        )
        try:
            with transaction.atomic():
                anchor = Anchor.objects.create(
                    number=head.number,
                    hash=bytes(head.hash),
                    tree=tree,
                    peaks=peaks.packed,
                    statement=anchors.keys.signed(
                        head.number, bytes(head.hash), tree, key, now=now
                    ),
                    key=known,
                    made_at=now,
                )
        except IntegrityError:
            return None  # somebody else was first
        anchors.signed_heads.note(head.number, bytes(head.hash), known.pk, now=now)
        AnchorCopy.objects.bulk_create(
            AnchorCopy(anchor=anchor, place=place.name, kind=place.kind, not_before=now)
            for place in set_up.places
        )
        if new:
            ledger.append(
                at=now, by="countersign", by_name="Countersign", act="ledger.key",
                subject="ledger", data={"kid": known.pk, "jwk": public},
                words=f"The ledger's head is signed by a new key from row {head.number:,} on",
            )  # fmt: skip
    return anchor


def leaves(after: int, through: int) -> Iterator[bytes]:
    """The leaves of the tree over these rows, in their order."""
    rows = LedgerSeal.objects.filter(number__gt=after, number__lte=through).order_by("number")
    for number, digest in rows.values_list("number", "entry_digest").iterator(ROWS):
        yield merkle.leaf(number, bytes(digest))


def tree_of(anchor: Anchor) -> merkle.Tree:
    """The tree that this anchor signed. Walks all rows below it: about a microsecond each."""
    return merkle.Tree(leaves(0, anchor.number))


def keep_next(set_up: SetUp, *, clock: Callable[[], datetime]) -> bool:
    """Take one copy that waits to its place; whether there was one."""
    now = clock()
    due = AnchorCopy.objects.filter(state="waiting", not_before__lte=now)
    free = due.filter(Q(leased_until=None) | Q(leased_until__lte=now))
    with transaction.atomic():
        copy = free.select_for_update(skip_locked=True).order_by("not_before", "pk").first()
        if copy is None:
            return False
        copy.leased_until, copy.attempts = now + LEASE, copy.attempts + 1
        copy.save(update_fields=["leased_until", "attempts"])
    place = next((one for one in set_up.places if one.name == copy.place), None)
    said: dict[str, Any]
    if place is None or place.kind != copy.kind:
        said = {"state": "left", "why": NO_PLACE}
    else:
        try:
            kept = anchors.keep(place, _statement(copy.anchor), now=now)
            said = {"state": "kept", "receipt": kept.receipt, "words": kept.words, "why": ""}
            said["kept_at"] = clock()
        except (Stopped, Later) as problem:
            fix = f" {problem.fix}" if isinstance(problem, Stopped) else ""
            said = {
                "why": f"{problem.what}{fix}"[:LONGEST_WHY],
                "not_before": clock() + _wait(copy.attempts, problem),
            }
    # Where the lease ran out meanwhile, whoever has it now says what became of it.
    AnchorCopy.objects.filter(
        pk=copy.pk, attempts=copy.attempts, state="waiting"
    ).update(leased_until=None, **said)  # fmt: skip
    return True


def _wait(attempts: int, problem: Stopped | Later) -> timedelta:
    asked = problem.seconds if isinstance(problem, Later) else None
    wait = min(FIRST_WAIT * 2 ** min(attempts - 1, 12), LONGEST_WAIT)
    if asked is not None:
        wait = min(max(wait, timedelta(seconds=asked)), LONGEST_WAIT)
    return timedelta(seconds=wait.total_seconds() * (1 + random() / 10))  # noqa: S311 - spreads attempts, hides nothing


def _statement(anchor: Anchor) -> anchors.Statement:
    return anchors.Statement(anchor.number, bytes(anchor.hash), anchor.statement)


def jwks() -> dict[str, dict[str, Any]]:
    """Every public key that signed here, by kid."""
    return dict(SealKey.objects.values_list("pk", "jwk"))


def faults(*, newest: int | None = None) -> list[ledger.Fault]:
    """Where the ledger no longer says what was signed; `newest`: of so many heads alone, for pages,
    which must not walk years of them."""
    rows = list(Anchor.objects.order_by("-number")[:newest])[::-1]
    known, found = jwks(), []
    seals = LedgerSeal.objects.in_bulk([one.number for one in rows])
    for anchor in rows:
        wrong = _wrong(anchor, seals.get(anchor.number)) or _forged(anchor, known)
        if wrong:
            found.append(ledger.Fault(anchor.number, wrong))
    return found


def _wrong(anchor: Anchor, seal: LedgerSeal | None) -> str:
    if seal is None:
        return "was signed and is gone: the end was cut off"
    same = bytes(seal.hash) == bytes(anchor.hash)
    return "" if same else "has another hash than the one that was signed"


def _forged(anchor: Anchor, known: dict[str, dict[str, Any]]) -> str:
    try:
        said = anchors.keys.said_by(anchor.statement, known)
    except anchors.keys.Forged as problem:
        return f"was signed, but not like this: {problem}"
    same = said[:3] == (anchor.number, bytes(anchor.hash), bytes(anchor.tree))
    return "" if same else "was signed, but the statement says something else"


class Standing(NamedTuple):
    """How one place stands."""

    name: str
    kind: str
    kept: AnchorCopy | None  # the newest
    waits: AnchorCopy | None  # the oldest


def standing() -> list[Standing]:
    """Every place that ever had a copy, by name: what it has, and what it waits for."""

    def newest(rows: QuerySet[AnchorCopy], *order: str) -> dict[tuple[str, str], AnchorCopy]:
        picked = rows.order_by("place", "kind", *order).distinct("place", "kind")
        return {(one.place, one.kind): one for one in picked.select_related("anchor")}

    kept = newest(AnchorCopy.objects.filter(state="kept"), "-anchor")
    waits = newest(AnchorCopy.objects.filter(state="waiting"), "anchor")
    return [
        Standing(*place, kept.get(place), waits.get(place)) for place in sorted({*kept, *waits})
    ]


def receipts(*, most: int = 1_000) -> list[ledger.Fault]:
    """What is wrong with the newest receipts of the places that are set up; they are asked again."""
    set_up = anchors.configured.read()
    places = {one.name: one for one in set_up.places} if set_up is not None else {}
    rows = AnchorCopy.objects.filter(state="kept", place__in=places).select_related("anchor")
    found = []
    for row in rows.order_by("-anchor", "place")[:most]:
        place = places[row.place]
        if place.kind != row.kind:
            continue
        if why := anchors.problem(place, _statement(row.anchor), bytes(row.receipt or b"")):
            found.append(ledger.Fault(row.anchor_id, f"at {place.name}: {why}"))
    return found
