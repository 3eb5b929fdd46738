"""Deposit bodies: compressed; up to 1 MiB in the database, larger ones in files or objects.

A file is written and synced, an object stored, before the row that names it (decisions 11). What
a crash between the two leaves behind is swept by `orphans`, and so is what no deposit needs any
more. Where a record was erased, a tombstone says what lies there now.
"""

import logging
import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from threading import get_ident

import zstandard
from django.conf import settings
from django.utils import timezone

from evidence.models import Deposit, DepositBody, Tombstone
from evidence.stores import objects

log = logging.getLogger(__name__)

IN_ROW = 1024 * 1024
# A file may wait this long for its row before it counts as left behind by a crash.
ORPHAN_SECONDS = 3600
FILE = "file:"


def folder() -> Path:
    return Path(settings.VAR) / "deposits"


def pack(kept: bytes, digest: str) -> tuple[str, bytes]:
    """(place, compressed bytes): place is empty when the bytes belong into the row.

    `digest` is their SHA-256. Audit records shrink as well at level 1 as at 3, in half the time.
    """
    packed = zstandard.ZstdCompressor(level=1).compress(kept)
    if len(packed) <= IN_ROW:
        return "", packed
    if objects.used():
        return objects.put(digest, packed), b""
    path = _path(digest)
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
    return f"{FILE}{digest}", b""


def _path(digest: str) -> Path:
    return folder() / digest[:2] / f"{digest}.zst"


def unpack(deposit: Deposit) -> bytes:
    """The kept bytes of a deposit. Raises FileNotFoundError when they are gone."""
    packed = _outside(deposit) if deposit.place else _in_row(deposit)
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=deposit.kept_bytes + 1)


def left_of(deposit: Deposit) -> bytes | None:
    """The SHA-256 of what lies there since a record was erased; None: nothing was, or all."""
    last = Tombstone.objects.filter(deposit=deposit).order_by("-pk").first()
    return None if last is None or last.left_digest is None else bytes(last.left_digest)


def place_of(deposit: Deposit, ordinal: int) -> int | None:
    """The place of a record among those that are left of a deposit; None: it was erased."""
    gone = set(
        Tombstone.objects.filter(deposit=deposit, ordinal__lte=ordinal).values_list(
            "ordinal", flat=True
        )
    )
    return None if ordinal in gone else ordinal - len(gone)


def intact(deposit: Deposit, body: bytes) -> bool:
    """Whether these are the bytes whose digest was stored, less what was erased by two people."""
    digest = sha256(body).digest()
    return digest == bytes(deposit.kept_digest) or digest == left_of(deposit)


def _at(place: str) -> bytes:
    if place.startswith(objects.MARK):
        return objects.get(place.removeprefix(objects.MARK))
    return _path(place.removeprefix(FILE)).read_bytes()


def _outside(deposit: Deposit) -> bytes:
    """Of a large deposit. What a record was erased from lies elsewhere since; the file that it
    lay in goes afterwards, and is not read even when a crash left it behind."""
    last = Tombstone.objects.filter(deposit=deposit).order_by("-pk").first()
    if last is None:
        return _at(deposit.place)
    if last.left_digest is None:
        raise FileNotFoundError(f"the bytes of deposit {deposit.pk} are gone")
    return _left(deposit, bytes(last.left_digest).hex())


def _in_row(deposit: Deposit) -> bytes:
    row = DepositBody.objects.filter(received_at=deposit.received_at, deposit_id=deposit.pk).first()
    if row is None:
        raise FileNotFoundError(f"the bytes of deposit {deposit.pk} are gone")
    return bytes(row.body)


def _left(deposit: Deposit, digest: str) -> bytes:
    try:
        return _in_row(deposit)
    except FileNotFoundError:
        return _at(f"{objects.MARK if objects.used() else FILE}{digest}")


def orphans(*, remove: bool) -> list[str]:
    """Places that no deposit needs and that are old enough: a crash's, or what was let go."""
    left = [str(path) for path in folder().glob("*/*.half") if _is_old(path)]
    for path in left if remove else ():
        Path(path).unlink(missing_ok=True)
    files = (f"{FILE}{path.stem}" for path in folder().glob("*/*.zst") if _is_old(path))
    left += _swept(_unnamed(files), remove=remove)
    try:
        lying = [f"{objects.MARK}{one}" for one in objects.digests()]
        left += _swept(_unnamed(lying), remove=remove)
    except objects.Away as problem:
        log.warning("orphans of the bucket are swept later: %s", problem)
    return sorted(left)


def _swept(places: Iterable[str], *, remove: bool) -> list[str]:
    """Those of these that are old enough. Raises Away."""
    left = []
    for place in places:
        digest = place.partition(":")[2]
        if place.startswith(objects.MARK):
            at = objects.stored_at(digest)
            if at is None or (timezone.now() - at).total_seconds() < ORPHAN_SECONDS:
                continue
            if remove:
                objects.remove(digest)
        elif remove and _is_old(_path(digest)):
            # Asked again: storing the same bytes makes the file young.
            _path(digest).unlink(missing_ok=True)
        left.append(place)
    return left


def _unnamed(places: Iterable[str]) -> list[str]:
    """Those that no deposit names whose content is still kept, a thousand asked at a time."""
    waiting, found = list(places), []
    for first in range(0, len(waiting), 1_000):
        some = waiting[first : first + 1_000]
        whole = Tombstone.objects.filter(ordinal=None).values("deposit")
        erased = Tombstone.objects.filter(ordinal__isnull=False).values("deposit")
        # What a record was erased from no longer lies where it was first put.
        named = set(
            Deposit.objects.filter(place__in=some)
            .exclude(pk__in=whole)
            .exclude(pk__in=erased)
            .values_list("place", flat=True)
        )
        digests = [bytes.fromhex(place.partition(":")[2]) for place in some if _is_digest(place)]
        named_now = Tombstone.objects.filter(left_digest__in=digests).exclude(deposit__in=whole)
        now = {bytes(one.left_digest or b"").hex() for one in named_now.only("left_digest")}
        found += [
            place for place in some if place not in named and place.partition(":")[2] not in now
        ]
    return found


def _is_digest(place: str) -> bool:
    digest = place.partition(":")[2]
    return len(digest) == 64 and all(letter in "0123456789abcdef" for letter in digest)


def _is_old(path: Path) -> bool:
    try:
        return timezone.now().timestamp() - path.stat().st_mtime >= ORPHAN_SECONDS
    except FileNotFoundError:
        return False
