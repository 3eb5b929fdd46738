"""Formats by name: those of the house, and those that mapping files describe.

Owns what a format's name means: a word for a built-in one, ``mapping:<name>`` for the newest
version of a mapping, ``mapping:<name>@<version>`` for one version, which is what deposits keep.
Must not know how a deposit is taken or read again.
"""

from argparse import ArgumentTypeError
from functools import lru_cache, partial

from django.db.models import Max

from evidence.formats import FORMATS, mapping, reading
from evidence.formats.mapping import PREFIX
from evidence.formats.record import Format
from evidence.models import MappingVersion


def exact(name: str) -> str:
    """The name that a deposit keeps: of a mapping, with its version. Empty: there is none."""
    if name in FORMATS:
        return name
    if not name.startswith(PREFIX):
        return ""
    short, _, version = name.removeprefix(PREFIX).partition("@")
    if not version:
        newest = MappingVersion.objects.filter(name=short).aggregate(newest=Max("version"))
        return f"{PREFIX}{short}@{newest['newest']}" if newest["newest"] else ""
    return name if find(name) is not None else ""


def plain(name: str) -> str:
    """The name as a source says it: without a version."""
    return name.partition("@")[0] if name.startswith(PREFIX) else name


def find(name: str) -> Format | None:
    """The format of this name; of a mapping, its newest version where none is said."""
    found = FORMATS.get(name)
    if found is not None or not name.startswith(PREFIX):
        return found
    short, _, version = name.removeprefix(PREFIX).partition("@")
    if not version:
        return find(exact(name)) if exact(name) else None
    # No longer than a version can be, and nothing that int() reads otherwise.
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        return None
    text = _text(short, int(version))
    return None if text is None else compiled(text)


def version_of(name: str) -> int:
    """The version of a format's reading, which a deposit keeps beside its name."""
    if name.startswith(PREFIX):
        version = name.partition("@")[2]
        return int(version) if version else 0
    found = FORMATS.get(name)
    return found.version if found is not None else 0


def names() -> list[str]:
    """Every name that a source or a person may say."""
    return sorted(FORMATS) + [f"{PREFIX}{name}" for name in sorted(_mappings())]


def said(name: str) -> str:
    """A name given on a command line. Raises ArgumentTypeError with the names there are."""
    if name and find(name) is None:
        raise ArgumentTypeError(f"{name[:80]!r} is not known; name one of: {', '.join(names())}")
    return name


def titles() -> list[tuple[str, str]]:
    """(name, title) of every format, for lists to choose from."""
    return [(known.name, known.title) for known in FORMATS.values()] + [
        (f"{PREFIX}{name}", f"{title} (mapping)") for name, title in sorted(_mappings().items())
    ]


def _mappings() -> dict[str, str]:
    newest = MappingVersion.objects.order_by("name", "-version").distinct("name")
    return {one.name: one.title for one in newest}


def _text(name: str, version: int) -> str | None:
    row = MappingVersion.objects.filter(name=name, version=version).values_list("text").first()
    return None if row is None else row[0]


@lru_cache(maxsize=200)
def compiled(text: str) -> Format:
    """The format that a mapping file describes. Raises MappingError."""
    table = mapping.of(text).table
    return Format(
        table.name,
        table.title,
        lambda _: False,
        partial(reading.parse, table=table, first=reading.kind(table), others=()),
        seams=table.seams,
        lists=reading.lists_of(table),
    )
