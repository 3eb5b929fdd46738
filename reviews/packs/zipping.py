"""The zip of a pack: its files with their digests, and the manifest that is signed over them.

Owns the manifest: the SHA-256 of every other file, signed by the key that signs the ledger's head.
Where nobody has set up such a key the pack is whole and proves nothing; it says so itself. Files
are written as they come, and none is held whole that may be long.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import IO, Any, Self

import rfc8785
from django.core.serializers.json import DjangoJSONEncoder

from evidence.stores import anchors
from evidence.stores.anchors.configured import SetUp
from evidence.withheld import Withheld

TYPE = "countersign-pack+jws"


class Zip:
    """A pack while it is written. `hidden`: sealed cases whose names stand in no document."""

    def __init__(self, into: IO[bytes], hidden: Withheld, *, now: datetime) -> None:
        self._zip = zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED)
        self._at = now.astimezone(UTC).timetuple()[:6]
        self._hidden = hidden
        self.digests: dict[str, str] = {}

    def add(self, name: str, content: bytes | str) -> None:
        """One file, as these bytes."""
        with self._opened(name) as write:
            write(content.encode() if isinstance(content, str) else content)

    def document(self, name: str, document: Any) -> None:
        """One file, as JSON."""
        self.add(name, self._hidden.unnamed(_json(document)))

    def frozen(self, name: str, document: Any) -> None:
        """One file, as JSON whose words a digest is over."""
        self.add(name, _json(document))

    def listed(self, name: str, rows: Iterable[Any]) -> int:
        """One file, as a JSON array of rows that are read while it is written; how many."""
        many = 0
        with self._opened(name) as write:
            write(b"[")
            for row in rows:
                write(b",\n" if many else b"\n")
                write(self._hidden.unnamed(_json(row)).encode())
                many += 1
            write(b"\n]\n" if many else b"]\n")
        return many

    def poured(self, name: str, chunks: Iterable[bytes]) -> None:
        """One file, of these bytes as they come."""
        with self._opened(name) as write:
            for chunk in chunks:
                write(chunk)

    @contextmanager
    def _opened(self, name: str) -> Iterator[Any]:
        digest = sha256()
        with self._zip.open(self._info(name), "w", force_zip64=True) as file:

            def write(data: bytes) -> None:
                digest.update(data)
                file.write(data)

            yield write
        self.digests[name] = digest.hexdigest()

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, self._at)
        info.compress_type = zipfile.ZIP_DEFLATED
        return info

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever went wrong: the file below may be closed, and nothing is written to it later."""
        if self._zip.fp is not None:
            self._zip.close()

    def close(self, said: dict[str, Any], set_up: SetUp | None) -> bytes:
        """The manifest, its signature and the end of the zip; gives the manifest's digest."""
        manifest = rfc8785.dumps({**said, "files": self.digests})
        self._zip.writestr(self._info("manifest.json"), manifest)
        if set_up is not None:
            signer = anchors.keys.signing(set_up.key)
            signature = anchors.keys.over(manifest, signer, kind=TYPE)
            self._zip.writestr(self._info("manifest.jws"), signature)
        self._zip.close()
        return sha256(manifest).digest()


def ranges(numbers: Iterable[int]) -> str:
    """Row numbers in few words: "3-9 12 15-20"."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return " ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found)


def _json(document: Any) -> str:
    return json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1)
