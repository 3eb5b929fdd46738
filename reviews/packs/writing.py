"""A pack is written: what belongs in it, in its order, as its taker may see it, all of one moment.

Owns the order and the names of its files. Everything long is read and written piece by piece.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import IO, Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.template.loader import render_to_string

from evidence import anchoring, ledger
from evidence.ledger.sealed_rows import one_moment
from evidence.models import Anchor, AnchorCopy, Deposit, LedgerEntry
from evidence.stores import anchors
from evidence.stores.anchors.configured import SetUp
from evidence.withheld import Withheld
from identities.models import Binding, Grant, Revocation, User
from identities.permissions import NotAllowed, require
from identities.visible import sees_all
from reviews.models import Case
from reviews.packs import contents, deposits, oscal, pdf, subjects, wholes
from reviews.packs.reading import Reading
from reviews.packs.subjects import Subject
from reviews.packs.zipping import Zip, ranges
from reviews.sealing import withheld

VERSION = 2
SCRIPT = "verify_pack.py"
# Rows of the ledger in one file.
ROWS = 1_000
# Progress is told after so many cases.
STEP = 25
BYTES = "Deposits' bytes are for who may see all evidence: ask without them."
READ_ME = """\
Pack of {key}, taken out at {at} by {by} from {where}

pack.html, pack.pdf  to read; the digest of both is in manifest.json, as that of every file
{files}
capsules/         what each of them was shown when they signed, frozen then
revocations.json  what was changed in outside systems, and what shows that it was
grants.json       what was given for a time, and what shows that it ended
custody.json      who looked at this evidence before, who took it out, whom it was given to
{ledger}
mapping.json      which controls of which frameworks this evidence supports
assessment-results.json  the same as OSCAL assessment results
head.jws          the signed head of the ledger; receipts/ is what others answered who have it
manifest.json     the digest of every file; manifest.jws is the signature over it
keys.json         the public keys. Compare them with those that you got otherwise, long before

What is here is what its taker may see.

Check it, without a network, with Python 3.11 or newer and the package `cryptography`:

    python3 {script} PACK.zip --keys THE_KEYS_THAT_YOU_HAVE.json
"""
FILES = {
    "case": "case.json         the case: who was asked, and every answer that was given",
    "identity": "identity.json     the identity; cases/ has each case about it, with every answer",
    "campaign": "campaign.json     the campaign; cases/ has each of its reviews, with every answer",
    "capsule": "(nothing else: it is one capsule that somebody froze by hand)",
}

type Told = Callable[[int, int], None]


class Written(NamedTuple):
    """What was written."""

    manifest: bytes  # its SHA-256
    signed: bool


class _Pack(NamedTuple):
    """What the parts of a pack are made from."""

    zip: Zip
    subject: Subject
    reading: Reading
    cases: list[UUID]
    keys: list[str]
    sealed: list[UUID]
    hidden: Withheld
    by: User
    now: datetime


def write(
    into: IO[bytes],
    row: subjects.Row,
    *,
    by: User,
    now: datetime,
    with_deposits: bool = False,
    told: Told = lambda _done, _of: None,
) -> Written:
    """The pack of this as a zip. `told` hears how far it is: cases written, of how many.

    Raises NotAllowed. The head is signed first, where that is set up, so that the newest rows are
    below it; rows of the last second may be too new to be.
    """
    subject = subjects.of(row)
    require(subjects.why_not_take(by, subject, now=now))
    if with_deposits and not sees_all(by):
        raise NotAllowed(BYTES)
    ledger.seal(now=now, thorough=False)
    set_up = anchors.configured.read()
    if set_up is not None:
        anchoring.make(set_up, now=now, anyway=True)
    with one_moment(), Zip(into, hidden := withheld.from_user(by, now=now), now=now) as zipped:
        found = subjects.cases(subject, by, now=now).order_by("number")
        of = list(found.values_list("pk", "number", "sealed"))
        pack = _Pack(
            zipped,
            subject,
            Reading(subject),
            [pk for pk, _, _ in of],
            [f"CS-{number}" for _, number, _ in of],
            [pk for pk, _, sealed in of if sealed],
            hidden,
            by,
            now,
        )
        return _written(pack, set_up, told, with_deposits=with_deposits)


def _written(pack: _Pack, set_up: SetUp | None, told: Told, *, with_deposits: bool) -> Written:
    """All files, one after the other, and the manifest over them."""
    _cases(pack, told)
    frozen = _capsules(pack, with_deposits=with_deposits)
    changed = _changes(pack)
    pack.zip.listed("custody.json", pack.reading.shown("custody", _custody(pack)))
    rows = _ledger(pack, changed, set_up)
    _to_read(pack, rows, frozen)
    for folder, name in (("static", "pack.css"), ("scripts", SCRIPT)):
        pack.zip.add(name, (Path(settings.BASE_DIR) / folder / name).read_bytes())
    said = {
        "pack": pack.subject.key,
        "kind": pack.subject.kind,
        "version": VERSION,
        "iss": settings.BASE_URL,
        "made_at": ledger.moment(pack.now),
        "made_by": pack.by.called,
        "rows": ranges(rows.numbers),
        "deposits": with_deposits,
    }
    return Written(pack.zip.close(said, set_up), rows.anchor is not None)


def _cases(pack: _Pack, told: Told) -> None:
    """The cases, and beside several what they are about."""
    subject, many = pack.subject, len(pack.cases)
    if subject.kind == "identity":
        document = wholes.identity(subject.row, _rows(pack), pack.by, now=pack.now)
        pack.zip.document("identity.json", document)
        pack.reading.whole(document)
    elif subject.kind == "campaign":
        document = wholes.campaign(subject.row, _rows(pack))
        pack.zip.document("campaign.json", document)
        pack.reading.whole(document)
    for done, case in enumerate(_rows(pack), 1):
        document = contents.case_of(case)
        name = "case.json" if subject.kind == "case" else f"cases/{case.key}.json"
        pack.zip.document(name, document)
        pack.reading.case(document)
        if done % STEP == 0 or done == many:
            told(done, many)


def _rows(pack: _Pack) -> Iterator[Case]:
    for pks in batched(pack.cases, 100):
        rows = Case.objects.filter(pk__in=pks).select_related("identity", "policy")
        yield from rows.order_by("number")


def _capsules(pack: _Pack, *, with_deposits: bool) -> set[int]:
    """Everything that was frozen for them; gives the deposits that it names."""
    wanted: set[int] = set()
    if pack.subject.kind == "capsule":
        frozen: Iterable[tuple[str, dict[str, Any]]] = [contents.capsule_of(pack.subject.row)]
    else:
        frozen = contents.capsules_of(pack.keys)
    for key, document in frozen:
        pack.zip.frozen(f"capsules/{key}.json", document)
        pack.reading.capsule(document)
        wanted |= {int(one["id"]) for one in document["body"]["deposits"]}
    if with_deposits:
        pack.zip.listed("deposits.json", deposits.rows_of(wanted))
        for one in Deposit.objects.filter(pk__in=wanted).order_by("pk").iterator(50):
            body = deposits.bytes_of(one)
            if body is not None:
                pack.zip.add(f"deposits/{one.pk}", body)
    return wanted


def _changes(pack: _Pack) -> list[str]:
    """What they had changed outside; gives the keys of that."""
    of_cases = Q(case__in=pack.cases)
    if pack.subject.kind == "identity":
        row = pack.subject.row
        revoked = Revocation.objects.filter(Q(identity=row) & (Q(case=None) | of_cases) | of_cases)
        granted = Grant.objects.filter(of_cases)
    elif pack.subject.kind == "capsule":
        revoked, granted = Revocation.objects.none(), Grant.objects.none()
    else:
        revoked, granted = Revocation.objects.filter(of_cases), Grant.objects.filter(of_cases)
    keys: list[str] = []

    def told(name: str, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for one in pack.reading.shown(name, rows):
            keys.append(one[name.removesuffix("s")])
            yield one

    pack.zip.listed("revocations.json", told("revocations", contents.revocations_of(revoked)))
    pack.zip.listed("grants.json", told("grants", contents.grants_of(granted)))
    return keys


def _custody(pack: _Pack) -> Iterator[dict[str, Any]]:
    subject = pack.subject
    also = Q(kind__in=["line", "capsule"], ref=subject.key) if subject.kind != "case" else None
    yield from contents.looked_of(pack.cases, also)
    yield from contents.taken_of(dict.fromkeys([*pack.keys, subject.key]))
    if subject.kind == "identity":
        actors = Binding.objects.filter(identity=subject.row).values("actor")
        yield from contents.holds_of(Q(actor__in=actors))


class _Rows(NamedTuple):
    """The ledger's rows as they were written."""

    numbers: list[int]
    many: int
    proved: int
    anchor: Anchor | None


def _ledger(pack: _Pack, changed: list[str], set_up: SetUp | None) -> _Rows:
    anchor = Anchor.objects.order_by("-number").first() if set_up is not None else None
    tree = None if anchor is None else anchoring.tree_of(anchor)
    keys = dict.fromkeys([*pack.keys, *changed, pack.subject.key])
    also = None
    if pack.subject.kind == "capsule":
        also = Q(act="capsule.frozen", data__capsule=pack.subject.key)
    elif pack.subject.kind == "identity":
        mine = pack.subject.row.credentials.values_list("number", flat=True)
        keys |= dict.fromkeys(f"CRED-{one}" for one in mine)
    entries = contents.ledger_of(keys, pack.sealed, also)
    many, proved, numbers = 0, 0, []
    shown = (one for one in entries if not _names_others(one, pack.hidden))
    for part, batch in enumerate(batched(shown, ROWS), 1):
        rows = contents.rows_of(batch, tree)
        many += len(rows)
        proved += sum(one["proved"] for one in rows)
        numbers += [one["number"] for one in rows if one["number"] is not None]
        name = "ledger.json" if pack.subject.kind == "case" else f"ledger/{part}.json"
        if pack.subject.kind == "case" and part > 1:
            name = f"ledger/{part}.json"
        list(pack.reading.shown("ledger", rows))
        size = None if anchor is None else anchor.number
        pack.zip.frozen(name, {"tree_size": size, "rows": rows})
    if not many:
        pack.zip.frozen("ledger.json", {"tree_size": None, "rows": []})
    if anchor is not None:
        pack.zip.add("head.jws", anchor.statement)
        for copy in AnchorCopy.objects.filter(anchor=anchor, state="kept").order_by("place"):
            ending = "tsr" if copy.kind == "rfc3161" else "json"
            pack.zip.add(f"receipts/{copy.place}.{ending}", bytes(copy.receipt or b""))
        pack.zip.document("keys.json", {"keys": list(anchoring.jwks().values())})
    return _Rows(numbers, many, proved, anchor)


def _names_others(entry: LedgerEntry, hidden: Withheld) -> bool:
    """Whether a row is of a sealed case that its taker does not see, or names one: its digest is
    over its words, so it is left out whole."""
    if hidden.hides(entry):
        return True
    said = f"{entry.words} {json.dumps(entry.data, ensure_ascii=False)}"
    return hidden.unnamed(said) != said


def _to_read(pack: _Pack, rows: _Rows, frozen: set[int]) -> None:
    reading = pack.reading
    reading.ends(signed=rows.anchor is not None, rows=rows.many, proved=rows.proved)
    made_at, by = ledger.moment(pack.now), pack.by.called
    shown = reading.as_data(
        at=made_at,
        by=by,
        where=settings.BASE_URL,
        signed=None if rows.anchor is None else rows.anchor.number,
        deposits=len(frozen),
    )
    shown = json.loads(pack.hidden.unnamed(json.dumps(shown, default=str)))
    pack.zip.document("mapping.json", shown["mapping"])
    pack.zip.document(
        "assessment-results.json",
        oscal.results(
            reading.subject,
            reading.counts,
            reading.open,
            made_at=made_at,
            made_by=by,
            where=settings.BASE_URL,
        ),
    )
    pack.zip.add("pack.html", render_to_string("pack.html", shown))
    pack.zip.add("pack.pdf", pdf.made(shown))
    several = "ledger/           " if pack.subject.kind != "case" else "ledger.json       "
    pack.zip.add(
        "README.txt",
        READ_ME.format(
            key=pack.subject.key,
            at=made_at,
            by=by,
            where=settings.BASE_URL,
            files=FILES[pack.subject.kind],
            ledger=f"{several}the ledger's rows about all this, each with its way to a signed root",
            script=SCRIPT,
        ),
    )
