"""Large deposits as objects of a bucket, through django-storages (COUNTERSIGN_DEPOSITS).

Owns their names: the SHA-256 of the kept bytes, so that the same bytes are one object. The
bucket is the operator's own, named in the environment and never on a page. Must not know rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

ALIAS = "deposits"
MARK = "object:"
LONGEST_WHY = 300


class Away(OSError):
    """The bucket does not answer, or refuses: what lies there is not known now."""


@contextmanager
def _answering() -> Iterator[None]:
    # Only who has a bucket waits for this import.
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as problem:
        said = " ".join(str(problem).split())[:LONGEST_WHY]
        raise Away(f"the deposit bucket {name()} does not answer: {said}") from problem


def used() -> bool:
    """Whether large deposits go to a bucket."""
    return ALIAS in settings.STORAGES


def name() -> str:
    """The bucket and its prefix, as people know them."""
    options = cast("dict[str, Any]", settings.STORAGES[ALIAS])["OPTIONS"]
    return f"s3://{options['bucket_name']}/{options['location']}".rstrip("/")


def why_unreachable() -> str:
    """What listing the bucket ends with, in a line; empty: it answers. Takes seconds, if not."""
    try:
        _bucket().listdir("")
    except Exception as problem:  # noqa: BLE001 - whatever its client raises is the answer
        return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:LONGEST_WHY]
    return ""


def _bucket() -> Storage:
    return storages[ALIAS]


def _name(digest: str) -> str:
    return f"{digest[:2]}/{digest}.zst"


def put(digest: str, packed: bytes) -> str:
    """Store these bytes, also where they lie already: that makes them young; their place.

    Raises Away when the bucket does not take them: nothing is acknowledged then.
    """
    with _answering():
        _bucket().save(_name(digest), ContentFile(packed))
    return f"{MARK}{digest}"


def get(digest: str) -> bytes:
    """The bytes of an object. Raises FileNotFoundError when it is gone, Away when nobody knows."""
    with _answering(), _bucket().open(_name(digest)) as file:
        return bytes(file.read())


def digests() -> Iterator[str]:
    """What lies there, by digest. Raises Away."""
    if not used():
        return
    with _answering():
        folders, _ = _bucket().listdir("")
    for folder in folders:
        with _answering():
            _, files = _bucket().listdir(folder)
        yield from (name.removesuffix(".zst") for name in files if name.endswith(".zst"))


def stored_at(digest: str) -> datetime | None:
    """When these bytes were last stored; None: they are gone. Raises Away."""
    try:
        with _answering():
            return _bucket().get_modified_time(_name(digest))
    except FileNotFoundError:
        return None


def remove(digest: str) -> None:
    """Raises Away."""
    with _answering():
        _bucket().delete(_name(digest))
