#!/usr/bin/env python3
"""Check a pack of Countersign without the app that made it: Python and the package `cryptography`.

    python3 verify_pack.py PACK.zip [--keys KEYS.json] [--json]

  manifest   manifest.jws is an Ed25519 signature over manifest.json by one of the keys
  files      each file has the SHA-256 that the manifest names; none is missing, none is more
  capsule    the canonical form (RFC 8785) of `body` has the SHA-256 `digest`; where two people had
             words erased, `tombstones` lead from it to the one that it has
  row        the canonical form of `entry` has the SHA-256 `digest`, or `erased` leads to it
  proof      the row leads by its `path` to `tree` of head.jws (RFC 9162, 2.1.3), which is signed
  answer     every capsule of an answer is in the pack, and a row of the ledger names its digest

`--keys` is a JWKS that you have from elsewhere. Without it the keys inside the pack are taken: then
whoever made it anew may have signed it anew, and this says so. Ends with 0 when it is valid, 1 when
something is wrong with it, 2 when it is no pack, 3 when nothing in it is signed.
"""

import argparse
import base64
import json
import sys
import zipfile
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

LARGEST = 1 << 30  # bytes of one file inside
FILES = 100_000


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


def signed(text: str, kind: str, keys: dict[str, str]) -> bytes:
    """What a JWS says, once one of these keys signed it as this kind."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        header, payload, signature = text.strip().split(".")
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
    """What a pack holds, and what is wrong with it."""

    def __init__(self, pack: zipfile.ZipFile, keys: dict[str, str] | None) -> None:
        self.faults: list[str] = []
        self.files: dict[str, bytes] = {}
        for info in pack.infolist():
            if info.file_size > LARGEST or len(self.files) >= FILES or info.filename in self.files:
                raise NoPack(f"{info.filename} is too large, or stands there twice")
            self.files[info.filename] = pack.read(info)
        self.own_keys = keys is None
        self.keys = keys if keys is not None else self._keys_inside()
        self.proved = self.shown = 0

    def _keys_inside(self) -> dict[str, str]:
        try:
            return jwks(self.files["keys.json"]) if "keys.json" in self.files else {}
        except NoPack as problem:
            self.faults.append(f"keys.json: {problem}")
            return {}

    def run(self) -> None:
        manifest = self._part("manifest.json", self.manifest)
        head = self._part("head.jws", self.head) if "head.jws" in self.files else None
        digests = self._part("ledger.json", lambda data: self.ledger(data, head)) or set()
        capsules: dict[str, str] = {}
        for name, data in self.files.items():
            if name.startswith("capsules/"):
                found = self._part(name, self.capsule, data)
                if found:
                    capsules[found[0]] = found[1]
        for key, digest in capsules.items():
            if not {digest, key} & digests:
                self.faults.append(f"capsules/{key}.json: no row of the ledger names its digest")
        self._part("case.json", lambda data: self.answers(data, capsules))
        if manifest is None and not self.faults:
            self.faults.append("manifest.json: is missing")

    def _part(self, name: str, check: Any, data: bytes | None = None) -> Any:
        try:
            if data is None and name not in self.files:
                raise Wrong("is missing")
            return check(self.files[name] if data is None else data)
        except Wrong as problem:
            self.faults.append(f"{name}: {problem}")
        except (KeyError, TypeError, AttributeError, ValueError) as problem:
            self.faults.append(f"{name}: is not of this shape ({type(problem).__name__})")
        return None

    def manifest(self, data: bytes) -> dict[str, Any]:
        said: dict[str, Any] = document(data)
        listed = said["files"]
        for name in sorted(set(listed) | set(self.files) - {"manifest.json", "manifest.jws"}):
            if name not in self.files:
                self.faults.append(f"{name}: is missing")
            elif name not in listed:
                self.faults.append(f"{name}: was put in")
            elif sha256(self.files[name]).hexdigest() != listed[name]:
                self.faults.append(f"{name}: was changed")
        if "manifest.jws" in self.files:
            text = self.files["manifest.jws"].decode("ascii", "replace")
            if signed(text, "countersign-pack+jws", self.keys) != data:
                raise Wrong("is not what was signed")
        return said

    def head(self, data: bytes) -> dict[str, Any]:
        text = data.decode("ascii", "replace")
        said: dict[str, Any] = document(signed(text, "countersign-anchor+jws", self.keys))
        return said

    def ledger(self, data: bytes, head: dict[str, Any] | None) -> set[str]:
        """Every digest of a capsule that its rows name."""
        found, named = document(data), set()
        for row in found["rows"]:
            self.shown += 1
            which = f"ledger.json: row {row['number'] or 'without number'}"
            expected = row["digest"]
            for gone, left in row["erased"]:
                expected = left if gone == expected else ""
            if digest_of(row["entry"]) != expected:
                self.faults.append(f"{which} was changed")
            if row["proved"]:
                root = root_of(row["number"], row["digest"], found["tree_size"], row["path"])
                if head is None or (found["tree_size"], root) != (head["number"], head["tree"]):
                    self.faults.append(f"{which} does not lead to the signed root")
                else:
                    self.proved += 1
            said = row["entry"]["data"]
            # Rows of answers in blind stages named the capsule alone, before this format.
            named.add(str(said.get("capsule_digest") or said.get("capsule")))
        return named

    def capsule(self, data: bytes) -> tuple[str, str]:
        """Its key, and the digest that it had when it was frozen."""
        said = document(data)
        stones = said["tombstones"]
        first = stones[0]["gone_digest"] if stones else said["digest"]
        expected = first
        for one in stones:
            expected = one["left_digest"] if one["gone_digest"] == expected else ""
        if digest_of(said["body"]) != expected:
            raise Wrong("was changed")
        return said["key"], first

    def answers(self, data: bytes, capsules: dict[str, str]) -> None:
        for item in document(data)["items"]:
            for one in item["answers"]:
                if one["capsule"] and one["capsule"] not in capsules:
                    self.faults.append(f"case.json: {one['capsule']} of an answer is not here")


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
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as problem:
        raise NoPack(f"{name} cannot be read as a zip: {problem}") from None
    if "manifest.json" not in check.files:
        raise NoPack(f"{name} has no manifest")
    check.run()
    return {
        "ok": not check.faults,
        "signed": "manifest.jws" in check.files and "head.jws" in check.files,
        "keys_of_its_own": check.own_keys,
        "rows": check.shown,
        "proved": check.proved,
        "faults": check.faults,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pack")
    parser.add_argument("--keys", metavar="FILE", help="the keys that you have, as a JWKS")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    asked = parser.parse_args(arguments)
    try:
        keys = None
        if asked.keys:
            keys = jwks(Path(asked.keys).read_bytes())
        found = verify(asked.pack, keys)
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
        print(f"{word}: {found['proved']} of {found['rows']} rows are below the signed head")
        if found["signed"] and found["keys_of_its_own"]:
            print(
                "By the keys inside it alone: give --keys with those that you have from elsewhere."
            )
    if not found["ok"]:
        return 1
    return 0 if found["signed"] else 3


if __name__ == "__main__":
    sys.exit(main())
