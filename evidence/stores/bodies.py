"""Deposit bodies: compressed; up to 1 MiB in the database, larger ones in synced files.

A file is written and synced before the row that names it (decisions 11). What a crash between
the two leaves behind is swept by `orphans`.
"""

import os
import time
from pathlib import Path
from threading import get_ident

import zstandard
from django.conf import settings

from evidence.models import Deposit, DepositBody

IN_ROW = 1024 * 1024
# A file may wait this long for its row before it counts as left behind by a crash.
ORPHAN_SECONDS = 3600


def folder() -> Path:
    return Path(settings.VAR) / "deposits"


def pack(kept: bytes, digest: str) -> tuple[str, bytes]:
    """(place, compressed bytes): place is empty when the bytes belong into the row.

    `digest` is their SHA-256. Audit records shrink as well at level 1 as at 3, in half the time.
    """
    packed = zstandard.ZstdCompressor(level=1).compress(kept)
    if len(packed) <= IN_ROW:
        return "", packed
    path = folder() / digest[:2] / f"{digest}.zst"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Two senders of the same bytes never write into one file.
        half = path.with_suffix(f".{os.getpid()}.{get_ident()}.half")
        with half.open("wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    else:
        os.utime(path)
    return f"file:{digest}", b""


def unpack(deposit: Deposit) -> bytes:
    """The kept bytes of a deposit. Raises FileNotFoundError when they are gone."""
    if deposit.place.startswith("file:"):
        digest = deposit.place.removeprefix("file:")
        packed = (folder() / digest[:2] / f"{digest}.zst").read_bytes()
    else:
        row = DepositBody.objects.filter(
            received_at=deposit.received_at, deposit_id=deposit.pk
        ).first()
        if row is None:
            raise FileNotFoundError(f"the bytes of deposit {deposit.pk} are gone")
        packed = bytes(row.body)
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=deposit.kept_bytes + 1)


def orphans(*, remove: bool) -> list[Path]:
    """Files that no deposit names and that are old enough to be a crash's."""
    old = [path for path in folder().glob("*/*") if _is_old(path)]
    left = [path for path in old if path.suffix == ".half"]
    whole = [path for path in old if path.suffix == ".zst"]
    for first in range(0, len(whole), 1_000):
        some = {f"file:{path.stem}": path for path in whole[first : first + 1_000]}
        named = Deposit.objects.filter(place__in=list(some)).values_list("place", flat=True)
        left += [some[place] for place in some.keys() - set(named)]
    if remove:
        for path in left:
            # Somebody may be about to name it: storing the same bytes again makes it young.
            if _is_old(path):
                path.unlink(missing_ok=True)
    return sorted(left)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime >= ORPHAN_SECONDS
    except FileNotFoundError:
        return False
