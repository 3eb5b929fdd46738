"""Large deposits as objects of a bucket, through django-storages (COUNTERSIGN_DEPOSITS).

Owns their names: the SHA-256 of the kept bytes, so that the same bytes are one object. The
bucket is the operator's own, named in the environment and never on a page. Must not know rows.
"""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

ALIAS = "deposits"
MARK = "object:"


def used() -> bool:
    """Whether large deposits go to a bucket."""
    return ALIAS in settings.STORAGES


def _bucket() -> Storage:
    return storages[ALIAS]


def _name(digest: str) -> str:
    return f"{digest[:2]}/{digest}.zst"


def put(digest: str, packed: bytes) -> str:
    """Store these bytes, also where they lie already: that makes them young; their place."""
    _bucket().save(_name(digest), ContentFile(packed))
    return f"{MARK}{digest}"


def get(digest: str) -> bytes:
    """The bytes of an object. Raises FileNotFoundError when it is gone."""
    with _bucket().open(_name(digest)) as file:
        return bytes(file.read())


def digests() -> Iterator[str]:
    """What lies there, by digest."""
    if not used():
        return
    folders, _ = _bucket().listdir("")
    for folder in folders:
        _, files = _bucket().listdir(folder)
        yield from (name.removesuffix(".zst") for name in files if name.endswith(".zst"))


def stored_at(digest: str) -> datetime | None:
    """When these bytes were last stored; None: they are gone."""
    try:
        return _bucket().get_modified_time(_name(digest))
    except FileNotFoundError:
        return None


def remove(digest: str) -> None:
    _bucket().delete(_name(digest))
