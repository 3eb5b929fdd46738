#!/usr/bin/env python3
"""Check an exported ledger without the app that wrote it: Python's standard library is enough.

    python3 verify_ledger.py ledger.ndjson [--head NUMBER:HASH] [--json] [--processes N]
    python3 verify_ledger.py ledger.ndjson --anchor head.jws [--keys keys.json]

The file has one JSON document a line (`manage.py export_ledger`): a head, every row, and then
every deposit, source by source.

  entry    the canonical form (RFC 8785) of `entry` has the SHA-256 `digest`; where two people had
           words erased, `erased` leads from it to the one that it has, and the ledger says so too
  row      SHA-256 over number (8 bytes, big-endian), `previous` and `digest` is `hash`
  chain    `previous` is the `hash` of the row before; the first one is 32 zero bytes
  head     the last row is the one that the first line names
  deposit  the same three of each source's deposits; a tombstone says what the ledger says, and
           the chain reaches the heads that the ledger keeps

Rows of sealed cases carry their digest without the entry: the chain over them is checked, their
text cannot be, until the ledger says that it was disclosed: then it is here, with that digest. That
rows were cut off the end together with the head shows only against a head that you kept yourself:
give it with --head, or the signed one that lay elsewhere with --anchor.
Its signature (Ed25519) is checked against the keys that you kept as well (--keys, a JWKS), which
takes the package `cryptography`; who wrote the ledger anew could sign anew with a key of theirs.
Only a head from outside makes a ledger *verified*. Without one it is *consistent, not anchored*, or
*consistent, not checked outside* where it says that its head was signed. A head that was given up when
a backup was restored is no fault where the ledger has that statement, signed by one of the keys.
Ends with 0 when all is well, 1 when something is wrong with the ledger, 2 when a file is none.
"""

import argparse
import base64
import json
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from decimal import Decimal
from hashlib import sha256
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

GENESIS = "00" * 32
MOST_FAULTS = 100
TOGETHER = 1_000  # lines that one process looks at before it says what it saw
VERIFIED, NOT_ANCHORED = "verified", "consistent, not anchored"
NOT_CHECKED, WRONG = "consistent, not checked outside", "does not verify"
RESTORED = "restored from a backup or cut off"
FEW = 5_000  # lines that are not worth a second process
WHOLE = re.compile("[0-9]{1,18}").fullmatch
# Lines, and what was seen in them.
Part = tuple[list[bytes], dict[str, Any] | None]


class NoLedger(Exception):
    """The file is no exported ledger: the sentence says why."""


def number(value: float) -> str:
    """A number as ECMAScript writes it (RFC 8785, 3.2.2.3)."""
    if isinstance(value, int):
        return str(value)
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return repr(value).replace("e-0", "e-")


def canonical(value: Any) -> str:
    """RFC 8785 text of a JSON value."""
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float | Decimal):
        return number(value if isinstance(value, int) else float(value))
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    # Keys in the order of their UTF-16 code units, which is not that of their code points.
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"


# The same text, faster, of what has neither numbers with a point (Decimal: refused by it) nor names
# that sort otherwise by UTF-16, which takes a letter from here on.
PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
LATE = re.compile("[\ue000-\U0010ffff]")


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: two readers must not see two documents."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


READER = json.JSONDecoder(object_pairs_hook=once, parse_constant=refuse, parse_float=Decimal)


def read(line: bytes, place: int) -> dict[str, Any]:
    """One line as a document."""
    try:
        found = READER.decode(line.decode("utf-8", "surrogatepass").removeprefix("\ufeff"))
    except (ValueError, RecursionError) as problem:
        raise NoLedger(f"line {place} is not JSON: {problem}") from None
    if not isinstance(found, dict):
        raise NoLedger(f"line {place} is no object")
    return found


def digest_of(entry: dict[str, Any]) -> str:
    """The SHA-256 of an entry's canonical form, as hex; empty when it has none."""
    try:
        try:
            text = PLAIN(entry)
        except TypeError:
            text = canonical(entry)
        text = canonical(entry) if not text.isascii() and LATE.search(text) else text
        return sha256(text.encode("utf-8")).hexdigest()
    except (UnicodeEncodeError, RecursionError, AttributeError, ValueError):
        return ""


def chained(row_number: int, previous: Any, digest: Any) -> str:
    """The hash of a row, as hex; empty when its parts are no row's."""
    try:
        counted = row_number.to_bytes(8, "big")
        return sha256(counted + bytes.fromhex(previous) + bytes.fromhex(digest)).hexdigest()
    except (AttributeError, OverflowError, TypeError, ValueError):
        return ""


class Check:
    """What was seen so far, and what is wrong. `head` is a (number, hash) kept elsewhere, `keys` are
    those that sign, by kid."""

    def __init__(
        self, head: tuple[int, str] | None = None, keys: dict[str, str] | None = None
    ) -> None:
        self.faults: list[dict[str, Any]] = []
        self.head, self.place, self.keys = head, 0, keys
        # Keys that signed heads, and statements that a backup was restored; whether one gave `head` up.
        self.kids: set[str] = set()
        self.restored: set[str] = set()
        self.given_up = False
        self.met: Any = None
        self.opening: dict[str, Any] | None = None
        self.count, self.last = 0, 0
        self.hash: Any = GENESIS
        self.unsealed, self.withheld = 0, 0
        # Entries by number, a bit each: sixty-four together, because they are millions.
        self.ids: dict[int | str, int] = {}
        # Of deposits: the last number and hash of each source, what the ledger says of them.
        self.chains: dict[str, tuple[int, Any]] = {}
        self.deposits = 0
        self.heads: dict[tuple[str, Any], Any] = {}
        self.gone: set[tuple[str, Any, Any, Any]] = set()
        # Of entries that lost words: at which row, which, and from which digest to which.
        self.lost: list[tuple[int, str, Any]] = []
        self.told: set[tuple[str, Any, Any]] = set()
        # The digests of rows of sealed cases, and what the ledger says was disclosed of them.
        self.bound: dict[str, tuple[Any, bool]] = {}
        self.disclosed: dict[str, Any] = {}

    def wrong(self, where: int, what: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append({"number": where, "what": what})

    def content(self, row: dict[str, Any], where: int) -> None:
        """The entry of one row has the row's digest, and no other row has this entry."""
        name = str(row.get("id"))
        among, bit = (int(name) >> 6, 1 << (int(name) & 63)) if WHOLE(name) else (name, 1)
        there = self.ids.get(among, 0)
        if there & bit:
            self.wrong(where, f"entry {name} stands twice")
        self.ids[among] = there | bit
        withheld = row.get("withheld") is True
        if withheld or (isinstance(row.get("entry"), dict) and row["entry"].get("sealed_case")):
            self.bound[name] = (row.get("digest"), withheld)
        if withheld:
            self.withheld += 1
        elif not isinstance(row.get("entry"), dict):
            self.wrong(where, "its entry is gone")
        elif digest_of(row["entry"]) != self.left(row, where, name):
            self.wrong(where, f"entry {name} was changed")
        else:
            self.remember(row["entry"].get("act"), row["entry"].get("data"))

    def left(self, row: dict[str, Any], where: int, name: str) -> Any:
        """The digest that an entry has by what was erased of it."""
        expected = row.get("digest")
        for pair in row.get("erased") or []:
            if not isinstance(pair, list) or len(pair) != 2 or pair[0] != expected:
                return None
            self.lost.append((where, name, pair))
            expected = pair[1]
        return expected

    def remember(self, act: Any, data: Any) -> None:
        """What an entry says of deposits, and of other entries."""
        if not isinstance(data, dict):
            return
        if act == "deposits.anchored":
            for source, head in dict(data.get("heads") or {}).items():
                if isinstance(head, list) and len(head) == 2:
                    self.heads[source, head[0]] = head[1]
        elif act == "deposits.dropped":
            self.gone |= {(name, None, digest, None) for name, digest in data["deposits"].items()}
        elif act == "ledger.key":
            self.kids.add(str(data.get("kid")))
        elif act == "ledger.restored":
            self.restored.add(str(data.get("statement")))
        elif act == "ledger.erased":
            self.told |= {(name, *pair) for name, pair in data["entries"].items()}
        elif act == "case.unsealed":
            self.disclosed |= dict(data.get("disclosed") or {})
        elif act == "deposit.erased":
            one = (data.get("ordinal"), data.get("gone_digest"), data.get("left_digest"))
            self.gone.add((str(data.get("deposit")), *one))

    def deposit_row(self, row: dict[str, Any]) -> None:
        source, number, entry = str(row.get("source")), row.get("number"), row.get("entry")
        last, before = self.chains.get(source, (0, GENESIS))
        where = f"deposit {row['deposit']} of {source}"
        if not isinstance(number, int) or isinstance(number, bool):
            raise NoLedger(f"a deposit has the number {number!r}")
        if number != last + 1:
            self.wrong(number, f"{where} is out of order, or one before it is missing")
        if row.get("previous") != before:
            self.wrong(number, f"{where} does not follow the one before it")
        if chained(number, row.get("previous"), row.get("digest")) != row.get("hash"):
            self.wrong(number, f"{where}: its hash does not fit its content")
        if not isinstance(entry, dict) or digest_of(entry) != row.get("digest"):
            self.wrong(number, f"{where} was changed")
        elif (entry.get("id"), entry.get("source")) != (row["deposit"], source):
            self.wrong(number, f"{where} is another deposit")
        for stone in row.get("tombstones") or []:
            one = (stone.get("ordinal"), stone.get("gone_digest"), stone.get("left_digest"))
            if (row["deposit"], *one) not in self.gone:
                self.wrong(number, f"{where}: its tombstone is not in the ledger")
        if self.heads.pop((source, number), row.get("hash")) != row.get("hash"):
            self.wrong(number, f"{where} has another hash than the one the ledger keeps")
        self.deposits += 1
        self.chains[source] = (number, row.get("hash"))

    def ends(self) -> None:
        """What was erased without a word in the ledger; heads that the ledger keeps and no chain
        reached, where there are chains at all; and whether this is the end."""
        if self.opening is None:
            raise NoLedger("the file is empty")
        for where, name, pair in self.lost:
            if (name, *pair) not in self.told:
                self.wrong(where, f"entry {name}: the ledger does not say that words of it went")
        for name, digest in self.disclosed.items():
            is_, withheld = self.bound.get(name, (digest, False))
            if withheld:
                self.wrong(0, f"entry {name} was disclosed, and its text is not here")
            elif is_ != digest:
                self.wrong(0, f"entry {name} is another one than the ledger says was disclosed")
        for source, number in sorted(self.heads) if self.deposits else ():
            if number > self.chains.get(source, (0, ""))[0]:
                self.wrong(number, f"deposits of {source}: the end was cut off")
        ends = self.opening.get("sealed")
        if (self.last, self.hash) != (ends, self.opening.get("head")):
            self.wrong(self.last, f"the last row is not row {ends} of the head")
        self.given_up = (
            self.head is not None and self.met != self.head[1] and self.gives_up(self.head)
        )
        if self.head is None or self.given_up:
            return
        if self.met is None:
            self.wrong(self.head[0], "the end was cut off: this row was there before")
        elif self.met != self.head[1]:
            self.wrong(self.head[0], "has another hash than the one that was kept")

    def gives_up(self, head: tuple[int, str]) -> bool:
        """Whether a statement that a backup was restored, signed by one of the keys, gives it up."""
        for text in self.restored if self.keys else ():
            try:
                said = payload(text, self.keys or {}, "countersign-restored+jws")
            except (NoLedger, KeyError, TypeError, ValueError):
                continue
            if said["row"] < head[0] and [head[0], head[1][:16]] in said["heads"]:
                return True
        return False

    def state(self) -> str:
        """In a word, what was shown."""
        if self.faults:
            beyond = self.head is not None and len(self.faults) == 1 and self.head[0] > self.last
            return RESTORED if beyond else WRONG
        if self.head is not None:
            return NOT_CHECKED if self.given_up else VERIFIED
        return NOT_CHECKED if self.kids or self.restored else NOT_ANCHORED

    def unsealed_row(self, row: dict[str, Any]) -> None:
        self.unsealed += 1
        self.content(row, 0)

    def line(self, line: bytes) -> None:
        """The next line of the file."""
        self.place += 1
        if not line.strip():
            return
        row = read(line, self.place)
        if self.opening is None:
            self.opening = row
            if row.get("ledger") != "countersign" or row.get("version") != 1:
                raise NoLedger("line 1 is not the head of an exported ledger, version 1")
        elif "number" not in row:
            raise NoLedger(f"line {self.place} is no row")
        elif "deposit" in row:
            self.deposit_row(row)
        elif row["number"] is None:
            self.unsealed_row(row)
        else:
            self.sealed_row(row)

    def joins(self, seen: dict[str, Any]) -> bool:
        """Take over what another Check saw in rows; False where they do not follow these, or are to
        be looked at here."""
        wanted = self.head is not None and seen["first"][0] < self.head[0] <= seen["last"]
        follows = self.opening and not self.unsealed and seen["first"] == (self.last, self.hash)
        ids = seen["ids"].items()
        if wanted or not follows or any(bits & self.ids.get(among, 0) for among, bits in ids):
            return False
        for among, bits in ids:
            self.ids[among] = self.ids.get(among, 0) | bits
        for name in ("heads", "gone", "told", "bound", "disclosed", "kids", "restored"):
            getattr(self, name).update(seen[name])
        self.lost += seen["lost"]
        self.count, self.withheld = self.count + seen["count"], self.withheld + seen["withheld"]
        self.last, self.hash = seen["last"], seen["hash"]
        return True

    def sealed_row(self, row: dict[str, Any]) -> None:
        where = row.get("number")
        if not isinstance(where, int) or isinstance(where, bool):
            raise NoLedger(f"a row has the number {where!r}")
        if self.unsealed:
            self.wrong(where, "stands after rows that were not sealed")
        if where > self.last + 1:
            self.wrong(where, f"row {self.last + 1} is missing")
        elif where <= self.last:
            self.wrong(where, "is out of order")
        if row.get("previous") != self.hash:
            self.wrong(where, "does not follow the row before it")
        if chained(where, row.get("previous"), row.get("digest")) != row.get("hash"):
            self.wrong(where, "its hash does not fit its content")
        self.content(row, where)
        self.count += 1
        self.last, self.hash = where, row.get("hash")
        if self.head is not None and where == self.head[0]:
            self.met = self.hash


def ordinary(lines: list[bytes]) -> dict[str, Any] | None:
    """What a Check saw in these lines, where they are rows of which there is nothing to be said but
    that they follow `first`, a number and a hash; else None."""
    check = Check()
    check.opening = {}
    try:
        row = read(lines[0], 0)
        first = check.last, check.hash = row["number"] - 1, row["previous"]
        for line in lines:
            check.line(line)
    except (NoLedger, KeyError, TypeError, AttributeError, ValueError):
        return None
    more = check.faults or check.unsealed or check.deposits or not check.count
    return None if more else vars(check) | {"first": first}


def begin() -> None:
    """What another process does first: Ctrl-C is its parent's, and it ends when that one has."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with, args=(parent_process(),), daemon=True).start()


def end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def side_by_side(parts: Iterator[list[bytes]], processes: int) -> Iterator[Part]:
    """Parts of a file in their order, with what one of so many processes saw in each; None where
    that is more than ordinary rows, and where a process was killed."""
    first = next(parts, None)
    if first is None:
        return
    parts = chain([first], parts)
    at_work: deque[tuple[list[bytes], Future[dict[str, Any] | None]]] = deque()
    with ProcessPoolExecutor(processes, get_context("spawn"), begin) as pool:
        try:
            for part in parts:
                at_work.append((part, Future()))
                at_work[-1] = part, pool.submit(ordinary, part)
                if len(at_work) > 2 * processes:
                    yield at_work[0][0], at_work[0][1].result()
                    at_work.popleft()
            while at_work:
                yield at_work[0][0], at_work[0][1].result()
                at_work.popleft()
        except BrokenProcessPool:
            yield from ((part, None) for part, _ in at_work)
            yield from ((part, None) for part in parts)


def verify(
    lines: Iterable[bytes],
    *,
    head: tuple[int, str] | None = None,
    processes: int = 1,
    keys: dict[str, str] | None = None,
) -> dict[str, Any]:
    """What is to be said of these lines. `head` is a (number, hash) kept elsewhere. With several
    processes this has to be a program of its own: they begin by importing it."""
    check, coming = Check(head, keys), iter(lines)
    for line in islice(coming, FEW if processes > 1 else None):
        check.line(line)
    parts = iter(lambda: list(islice(coming, TOGETHER)), [])
    for part, seen in side_by_side(parts, min(processes, 60)):  # Windows cannot wait for more
        if seen is None or not check.joins(seen):
            for line in part:
                check.line(line)
        else:
            check.place += len(part)
    check.ends()
    return {
        "ok": not check.faults,
        "state": check.state(),
        "sealed": check.count,
        "unsealed": check.unsealed,
        "withheld": check.withheld,
        "deposits": check.deposits,
        "head": check.hash,
        "number": check.last,
        "faults": check.faults,
    }


def kept(said: str) -> tuple[int, str]:
    """NUMBER:HASH as it is written on the command line."""
    row_number, _, hash_ = said.partition(":")
    if not row_number.isdigit() or len(hash_) != 64:
        raise argparse.ArgumentTypeError("write it as NUMBER:HASH, with 64 hex digits")
    return int(row_number), hash_.lower()


def part(text: str) -> bytes:
    """A part of a JWS as bytes (RFC 7515: base64url without padding)."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def payload(text: str, keys: dict[str, str] | None, kind: str) -> Any:
    """What a statement of this kind says; with keys, once its signature fits one of them."""
    header, said, signature = text.strip().split(".")
    by = json.loads(part(header))
    if keys is not None:
        if by["alg"] != "Ed25519" or by["kid"] not in keys or by.get("typ") != kind:
            raise NoLedger("is signed by none of these keys")
        signs(part(keys[by["kid"]]), part(signature), f"{header}.{said}".encode())
    return json.loads(part(said))


def keys_in(name: str) -> dict[str, str]:
    """The public keys of a JWKS, by kid."""
    try:
        return {one["kid"]: one["x"] for one in json.loads(Path(name).read_text())["keys"]}
    except (KeyError, TypeError, ValueError) as problem:
        raise NoLedger(f"{name} holds no keys: {problem}") from None


def anchored(name: str, keys: dict[str, str] | None) -> tuple[int, str]:
    """The head that a signed statement says; with keys, once its signature fits one of them."""
    try:
        said = payload(Path(name).read_text("ascii"), keys, "countersign-anchor+jws")
        head = kept(f"{said['number']}:{said['hash']}")
    except NoLedger as problem:
        raise NoLedger(f"{name} {problem}") from None
    except (argparse.ArgumentTypeError, KeyError, TypeError, ValueError) as problem:
        raise NoLedger(f"{name} is no signed head: {problem}") from None
    return head


def signs(key: bytes, signature: bytes, text: bytes) -> None:
    """Nothing where this key signed this text. Raises NoLedger."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise NoLedger("is signed: checking that takes the package cryptography") from None
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except InvalidSignature:
        raise NoLedger("has a signature that does not fit what it says") from None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", help="the exported ledger; - for standard input")
    parser.add_argument("--head", type=kept, metavar="NUMBER:HASH", help="a head you kept")
    parser.add_argument("--anchor", metavar="FILE", help="a signed head that lay elsewhere")
    parser.add_argument("--keys", metavar="FILE", help="the keys that sign heads, as a JWKS")
    cores = getattr(os, "process_cpu_count", os.cpu_count)() or 1
    parser.add_argument("--processes", type=int, default=cores, metavar="N", help="at once")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    asked = parser.parse_args(arguments)
    try:
        keys = None if asked.keys is None else keys_in(asked.keys)
        if asked.anchor:
            asked.head = anchored(asked.anchor, keys)
            if asked.keys is None:
                print("the signature of the head was not checked: give --keys", file=sys.stderr)
        if asked.file == "-":
            found = verify(sys.stdin.buffer, head=asked.head, processes=asked.processes, keys=keys)
        else:
            with Path(asked.file).open("rb") as lines:
                found = verify(lines, head=asked.head, processes=asked.processes, keys=keys)
        if asked.anchor and keys is None and found["ok"]:
            found["state"] = NOT_CHECKED
    except (NoLedger, OSError) as problem:
        print(f"no ledger: {problem}", file=sys.stderr)
        return 2
    if asked.json:
        print(json.dumps(found, indent=2))
    else:
        for fault in found["faults"]:
            print(f"row {fault['number'] or 'not sealed'}: {fault['what']}")
        print(
            f"{'' if found['ok'] else 'NOT OK, '}{found['state']}: {found['sealed']} rows sealed,"
            f" {found['unsealed']} not yet, {found['withheld']} of sealed cases without their"
            f" text, {found['deposits']} deposits; head {found['number']}:{found['head']}"
        )
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
