"""Which heads were signed, in a file of this host that the database's owner does not reach.

A mailbox, a webhook's receiver and a time-stamping authority cannot be asked what they hold. So each
head is also a line (number, hash, time, key) of ``COUNTERSIGN_VAR/signed-heads.txt`` before it is signed.
"""

import os
from datetime import datetime
from pathlib import Path

from django.conf import settings

from evidence.sources.failures import Stopped
from evidence.stores.anchors.configured import Held


def file() -> Path:
    """Where the heads stand."""
    return Path(settings.VAR) / "signed-heads.txt"


def note(number: int, digest: bytes, kid: str, *, now: datetime) -> None:
    """Add a head. Raises Stopped where the file cannot be written."""
    try:
        with file().open("ab") as into:
            into.write(f"{number} {digest.hex()} {now.isoformat()} {kid}\n".encode())
            into.flush()
            os.fsync(into.fileno())
    except OSError as problem:
        raise Stopped(
            f"{file()} cannot be written ({problem.strerror}).",
            "Let the user of this process write it.",
        ) from None


def held() -> list[Held]:
    """Every head that was signed on this host. Raises Stopped where a line is none of `note`."""
    try:
        lines = file().read_text("ascii").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as problem:
        raise _unreadable(type(problem).__name__) from None
    found = []
    for number_of_line, line in enumerate(lines, 1):
        try:
            number, digest, at, kid = line.split()
            found.append(Held(int(number), bytes.fromhex(digest).hex(), _moment(at), kid=kid))
        except ValueError:
            raise _unreadable(f"line {number_of_line} is no head") from None
    return found


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at


def _unreadable(what: str) -> Stopped:
    return Stopped(f"{file()} cannot be read: {what}.", "Correct it, or restore it from a backup.")
