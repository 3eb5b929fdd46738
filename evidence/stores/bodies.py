"""Deposit bodies: compressed; up to 1 MiB in the database, larger ones in synced files.

A file is written and synced before the row that names it (decisions 11). What a crash between
the two leaves behind is swept by `orphans`.
"""

import os
import time
from hashlib import sha256
from pathlib import Path

import zstandard
from django.conf import settings

from evidence.models import Deposit, DepositBody

IN_ROW = 1024 * 1024
# A file may wait this long for its row before it counts as left behind by a crash.
ORPHAN_SECONDS = 3600


def folder() -> Path:
    return Path(settings.VAR) / "deposits"


def pack(kept: bytes) -> tuple[str, bytes]:
    """(place, compressed bytes): place is empty when the bytes belong into the row."""
    packed = zstandard.ZstdCompressor(level=3).compress(kept)
    if len(packed) <= IN_ROW:
        return "", packed
    digest = sha256(kept).hexdigest()
    path = folder() / digest[:2] / f"{digest}.zst"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = path.with_suffix(f".{os.getpid()}.half")
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
    left = []
    for path in folder().glob("*/*.zst"):
        if time.time() - path.stat().st_mtime < ORPHAN_SECONDS:
            continue
        if not Deposit.objects.filter(place=f"file:{path.stem}").exists():
            left.append(path)
            if remove:
                path.unlink()
    return left
