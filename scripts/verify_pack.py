#!/usr/bin/env python3
"""Check a pack of Countersign without the app that made it: Python and the package `cryptography`.

    python3 verify_pack.py PACK.zip [--keys KEYS.json] [--json]

  manifest   manifest.jws is an Ed25519 signature over manifest.json by one of the keys
  files      each has the SHA-256 that the manifest names; none is missing, none is more
  capsule    the canonical form (RFC 8785) of `body` has the SHA-256 `digest`, or `tombstones` lead
             from it to the one that it has, where two people had words erased
  row        the canonical form of `entry` has the SHA-256 `digest`, or `erased` leads to it; those
             rows are there that the manifest names; each leads by its `path` to `tree` of the
             signed head.jws (RFC 9162, 2.1.3)
  answer     its capsule is there, a row names the capsule's digest, and says the same answer
  deposit    where bytes are in the pack, they are those that capsules name

`--keys` is a JWKS that you have from elsewhere. Without it the keys inside the pack are taken: then
whoever made it anew may have signed it anew, and this says so. Ends with 0 when it is valid, 1 when
something is wrong with it, 2 when it is no pack, 3 when nothing in it is signed.
"""

import argparse
import base64
import json
import sys
import zipfile
import zlib
from decimal import Decimal
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NoReturn

LARGEST = 1 << 30  # bytes of one file inside
FILES = 200_000
MOST_ROWS = 10_000_000
COUNTED = ("files", "capsules", "rows", "proved", "answers", "deposits")
MOST_FAULTS = 100  # of one kind that comes in numbers
# What a zip says of bytes that it cannot unpack.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)


class NoPack(Exception):
    """The file is no pack: the sentence says why."""


class Wrong(Exception):
    """Something in it does not hold."""


# --- canonical JSON (RFC 8785)


def number(value: float) -> str:
    """A number as ECMAScript writes it (RFC 8785, 3.2.2.3)."""
    if isinstance(value, int):
        return str(value)
    if value == 0:
        return "0"
    sign, figures, power = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, figures))
    point = len(digits) + int(power)
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        fraction = "." + digits[1:] if len(digits) > 1 else ""
        text = f"{digits[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return ("-" if sign else "") + text


def canonical(value: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"


def digest_of(value: Any) -> str:
    try:
        return sha256(canonical(value).encode()).hexdigest()
    except (UnicodeEncodeError, RecursionError, AttributeError):
        return ""


def led(digest: Any, stones: Any) -> Any:
    """Where pairs of digests (before and after something was erased) lead from this one."""
    for gone, left in stones:
        digest = left if gone == digest else ""
    return digest


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def document(data: bytes) -> Any:
    try:
        return json.loads(data, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as problem:
        raise Wrong(f"is no JSON: {problem}") from None


# --- signatures (RFC 7515, RFC 9864) and proofs (RFC 9162)


def part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed(data: bytes, kind: str, keys: dict[str, str]) -> bytes:
    """What a JWS says, once one of these keys signed it as this kind."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        header, payload, signature = data.decode("ascii", "replace").strip().split(".")
        by = json.loads(part(header))
        if by["alg"] != "Ed25519" or by["typ"] != kind:
            raise Wrong("is signed as something else")
        if by["kid"] not in keys:
            raise Wrong(f"is signed by a key that you do not have ({str(by['kid'])[:60]})")
        key = Ed25519PublicKey.from_public_bytes(part(keys[by["kid"]]))
        key.verify(part(signature), f"{header}.{payload}".encode())
        return part(payload)
    except InvalidSignature:
        raise Wrong("its signature does not fit") from None
    except (ValueError, KeyError, TypeError):
        raise Wrong("is no signed statement") from None


def root_of(row: int, digest: str, size: int, path: list[str]) -> str:
    """The root that a row's way leads to, as hex; "" where it leads nowhere."""
    at, last = row - 1, size - 1
    if not 0 <= at <= last:
        return ""
    found = sha256(b"\0" + row.to_bytes(8, "big") + bytes.fromhex(digest)).digest()
    for one in path:
        if last == 0:
            return ""
        beside = bytes.fromhex(one)
        if at & 1 or at == last:
            found = sha256(b"\1" + beside + found).digest()
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = sha256(b"\1" + found + beside).digest()
        at, last = at >> 1, last >> 1
    return found.hex() if last == 0 else ""


# --- the pack


class Check:
    """What a pack holds, and what is wrong with it. One file is in memory at a time."""

    def __init__(self, pack: zipfile.ZipFile, keys: dict[str, str] | None) -> None:
        self.faults: list[str] = []
        self.pack = pack
        self.names: dict[str, zipfile.ZipInfo] = {}
        for info in pack.infolist():
            if info.file_size > LARGEST or len(self.names) >= FILES or info.filename in self.names:
                raise NoPack(f"{info.filename} is too large, or stands there twice")
            self.names[info.filename] = info
        self.counts = dict.fromkeys(COUNTED, 0)
        self.rows: set[int] = set()
        self.named: set[str] = set()  # capsules that rows name, by digest or key
        self.said: dict[str, tuple[Any, Any, Any]] = {}  # by capsule: item, answer, row
        self.kept: dict[str, dict[str, str]] = {}  # by deposit: digests, and who names them
        self.own_keys, self.keys = keys is None, keys or {}
        if self.own_keys and "keys.json" in self.names:
            self.keys = self.part("keys.json", jwks) or {}

    def run(self) -> None:
        said = self.part("manifest.json", self.manifest) or {}
        head = self.part("head.jws", self.head) if "head.jws" in self.names else None
        first = ["ledger.json"] if "ledger.json" in self.names else []
        for name in first + self.folder("ledger/") or ["ledger.json"]:
            self.part(name, self.ledger, name, head)
        if "rows" in said:
            self.part("manifest.json", self.listed, said["rows"])
        found = [self.part(name, self.capsule) for name in self.folder("capsules/")]
        capsules = dict(one for one in found if one)
        for key, digest in capsules.items():
            if not {digest, key} & self.named:
                self.faults.append(f"capsules/{key}.json: no row of the ledger names its digest")
        answered: set[str] = set()
        case = ["case.json"] if said.get("kind", "case") == "case" else []
        for name in case + self.folder("cases/"):
            self.part(name, self.answers, name, capsules, answered)
        for key, (_, _, number) in self.said.items():
            if key not in answered:
                self.faults.append(f"row {number} of the ledger: the answer with {key} is not here")
        if "deposits.json" in self.names:
            self.part("deposits.json", self.deposits)

    def folder(self, name: str) -> list[str]:
        return sorted(one for one in self.names if one.startswith(name))

    def part(self, name: str, check: Any, *more: Any) -> Any:
        try:
            if name not in self.names:
                raise Wrong("is missing")
            return check(self.pack.read(self.names[name]), *more)
        except (Wrong, NoPack) as problem:
            self.faults.append(f"{name}: {problem}")
        except BROKEN as problem:
            self.faults.append(f"{name}: is broken in the zip ({problem})")
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            self.faults.append(f"{name}: is not of this shape ({type(problem).__name__})")
        return None

    def digest(self, name: str) -> str:
        """The SHA-256 of one file; "" of what cannot be unpacked."""
        try:
            with self.pack.open(self.names[name]) as file:
                return file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it reads
        except BROKEN:
            return ""

    def manifest(self, data: bytes) -> dict[str, Any]:
        said: dict[str, Any] = document(data)
        listed = said["files"]
        for name in sorted(set(listed) | set(self.names) - {"manifest.json", "manifest.jws"}):
            self.counts["files"] += 1
            if name not in self.names:
                self.faults.append(f"{name}: is missing")
            elif name not in listed:
                self.faults.append(f"{name}: was put in")
            elif self.digest(name) != listed[name]:
                self.faults.append(f"{name}: was changed")
        if "manifest.jws" in self.names:
            text = self.pack.read("manifest.jws")
            if signed(text, "countersign-pack+jws", self.keys) != data:
                raise Wrong("is not what was signed")
        elif "keys.json" in listed:
            raise Wrong("its signature, manifest.jws, is missing")
        return said

    def head(self, data: bytes) -> Any:
        return document(signed(data, "countersign-anchor+jws", self.keys))

    def ledger(self, data: bytes, name: str, head: dict[str, Any] | None) -> None:
        found = document(data)
        for row in found["rows"]:
            self.counts["rows"] += 1
            number = row["number"]
            which = f"{name}: row {number or 'without number'}"
            if number in self.rows:
                self.faults.append(f"{which} stands there twice")
            if number is not None:
                self.rows.add(number)
            if digest_of(row["entry"]) != led(row["digest"], row["erased"]):
                self.faults.append(f"{which} was changed")
            if row["proved"]:
                root = root_of(number, row["digest"], found["tree_size"], row["path"])
                if head is None or (found["tree_size"], root) != (head["number"], head["tree"]):
                    self.faults.append(f"{which} does not lead to the signed root")
                else:
                    self.counts["proved"] += 1
            elif head is not None and number is not None and number <= head["number"]:
                self.faults.append(f"{which} is below the signed head and has no way to it")
            said = row["entry"]["data"]
            # Rows of answers in blind stages named the capsule alone, before this format.
            self.named.add(str(said.get("capsule_digest") or said.get("capsule")))
            if row["entry"]["act"] in ("item.answered", "item.settled") and said.get("capsule"):
                self.said[said["capsule"]] = (said["item"], said.get("answer"), number)

    def listed(self, _data: bytes, ranges: str) -> None:
        """The rows that the manifest names: "3-9 12 15-20"."""
        named: set[int] = set()
        for one in ranges.split():
            first, _, last = one.partition("-")
            if not 0 < int(first) <= int(last or first) <= int(first) + MOST_ROWS:
                raise Wrong("names rows that cannot be")
            named.update(range(int(first), int(last or first) + 1))
        for wrong, rows in (("left out", named - self.rows), ("put in", self.rows - named)):
            for number in sorted(rows)[:MOST_FAULTS]:
                self.faults.append(f"row {number} of the ledger: was {wrong}")

    def capsule(self, data: bytes) -> tuple[str, str]:
        """Its key, and the digest that it had when it was frozen."""
        said = document(data)
        self.counts["capsules"] += 1
        stones = [(one["gone_digest"], one["left_digest"]) for one in said["tombstones"]]
        if digest_of(said["body"]) != led(said["digest"], stones):
            raise Wrong("was changed")
        for one in said["body"]["deposits"]:
            self.kept.setdefault(one["id"], {})[one["kept_digest"]] = said["key"]
        return said["key"], said["digest"]

    def answers(self, data: bytes, name: str, capsules: Any, answered: set[str]) -> None:
        for item in document(data)["items"]:
            for one in item["answers"]:
                self.counts["answers"] += 1
                key = one["capsule"]
                if not key:
                    continue
                answered.add(key)
                if key not in capsules:
                    self.faults.append(f"{name}: {key} of an answer is not here")
                row = self.said.get(key)
                if row and (row[0] != item["id"] or row[1] not in (None, one["answer"])):
                    which = f"the answer with {key} on {str(item['title'])[:80]!r}"
                    self.faults.append(
                        f"{name}: {which} is not what row {row[2]} of the ledger says"
                    )

    def deposits(self, data: bytes) -> None:
        """Their bytes are what capsules name, or what tombstones lead to from there."""
        for one in document(data):
            name = f"deposits/{one['deposit']}"
            stones = [(stone["gone_digest"], stone["left_digest"]) for stone in one["tombstones"]]
            for digest, capsule in self.kept.get(one["deposit"], {}).items():
                expected = led(digest, stones)
                if expected is None and not one["there"]:
                    continue  # two people had it erased, or its time was over
                if name not in self.names:
                    self.faults.append(f"{name}: its bytes are not here")
                elif self.digest(name) != expected:
                    self.faults.append(f"{name}: has other bytes than {capsule} names")
                else:
                    self.counts["deposits"] += 1


def jwks(data: bytes) -> dict[str, str]:
    try:
        return {str(one["kid"]): str(one["x"]) for one in json.loads(data)["keys"]}
    except (ValueError, KeyError, TypeError):
        raise NoPack("the keys are no JWKS") from None


def verify(name: str, keys: dict[str, str] | None = None) -> dict[str, Any]:
    """What is to be said of a pack. Raises NoPack."""
    try:
        with zipfile.ZipFile(name) as pack:
            check = Check(pack, keys)
            if "manifest.json" not in check.names:
                raise NoPack(f"{name} has no manifest")
            check.run()
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as problem:
        raise NoPack(f"{name} cannot be read as a zip: {problem}") from None
    return {
        "ok": not check.faults,
        "signed": "manifest.jws" in check.names and "head.jws" in check.names,
        "keys_of_its_own": check.own_keys,
        **check.counts,
        "faults": check.faults,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pack")
    parser.add_argument("--keys", metavar="FILE", help="the keys that you have, as a JWKS")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    asked = parser.parse_args(arguments)
    try:
        found = verify(asked.pack, jwks(Path(asked.keys).read_bytes()) if asked.keys else None)
    except (NoPack, OSError) as problem:
        print(f"no pack: {problem}", file=sys.stderr)
        return 2
    except ImportError:
        print("checking a signature takes the package cryptography", file=sys.stderr)
        return 2
    if asked.json:
        print(json.dumps(found, indent=2))
    else:
        for fault in found["faults"]:
            print(fault)
        word = "valid" if found["ok"] else "NOT VALID"
        if found["ok"] and not found["signed"]:
            word = "whole, but nothing in it is signed"
        many = ", ".join(f"{found[one]} {one}" for one in COUNTED if one not in ("rows", "proved"))
        below = f"{found['proved']} of {found['rows']} rows are below the signed head"
        print(f"{word}: {many}; {below}")
        if found["signed"] and found["keys_of_its_own"]:
            print("By the keys inside it alone: give --keys with those you have from elsewhere.")
    return (0 if found["signed"] else 3) if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
