"""Files by which people show that something was done: kept as deposits, given out as attachments.

Owns what such a file may be and where it lies: a source of its own, which the first one makes and
from which no event is ever read. A picture or a text, by its bytes and not by what its sender calls
it; nothing that a browser would run. Secrets in texts go at the door; in pictures nobody finds them.
Must not know what a file proves.
"""

import re
from datetime import datetime
from typing import NamedTuple

from evidence import intake, privacy
from evidence.formats.record import Parsed, Redaction
from evidence.models import Deposit, Source
from evidence.permissions import NotPossible
from evidence.stores import bodies

SOURCE, FORMAT = "proofs-by-people", "proof"
LARGEST = 5 << 20
LONGEST_NAME = 120
PICTURES = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
)
TEXT = "text/plain"
# What a browser might run, or read more than a text in, whatever it is called.
ACTIVE = re.compile(
    rb"(?i)\A\s*(?:<!doctype|<!--|<\?xml|<(?:html|head|body|svg|script|iframe|math)\b)"
)
NAMEABLE = re.compile(r"[^\w.()-]+")
WHAT = "Send a picture (PNG, JPEG, WebP) or a text (a part of a log, at most 5 MiB)"


class Proof(NamedTuple):
    """A file that was kept."""

    deposit: int
    name: str
    content_type: str
    kept_bytes: int
    kept_digest: str  # SHA-256, in hex


def kind_of(body: bytes) -> str:
    """The content type of these bytes. Raises NotPossible for what is neither picture nor text."""
    for name, signature in PICTURES:
        if signature.match(body):
            return name
    if ACTIVE.match(body.removeprefix(b"\xef\xbb\xbf")):
        raise NotPossible(f"This file is a page or a drawing that a browser runs. {WHAT}.")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise NotPossible(f"This file is neither a picture nor a text in UTF-8. {WHAT}.") from None
    if "\0" in text:
        raise NotPossible(f"This file is neither a picture nor a text. {WHAT}.")
    return TEXT


def plain_name(name: str) -> str:
    """A file's name without a path and without what a header or a shell would read."""
    last = re.split(r"[/\\]", name)[-1]
    return NAMEABLE.sub("_", last)[-LONGEST_NAME:].lstrip(".") or "proof"


def keep(*, body: bytes, name: str, by: str, now: datetime) -> Proof:
    """Keep one file; the same bytes again are answered with the first deposit."""
    if not body:
        raise NotPossible(f"The file is empty. {WHAT}.")
    if len(body) > LARGEST:
        raise NotPossible(f"The file is larger than {LARGEST >> 20} MiB. {WHAT}.")
    content_type, kept = kind_of(body), body
    hits: list[privacy.Hit] = []
    if content_type == TEXT:
        kept, hits = privacy.redact(body)
    redactions = [Redaction(f"byte {hit.start + 1}", hit.kind, hit.length) for hit in hits]
    taken = intake.store(
        source=_source(now),
        parsed=Parsed(kept, [], [], redactions),
        digest=intake.digest_of(body),
        received=len(body),
        by=by,
        now=now,
        format=FORMAT,
        name=plain_name(name),
    )
    row = Deposit.objects.get(pk=taken.deposit)
    digest = bytes(row.kept_digest).hex()
    return Proof(row.pk, plain_name(name), content_type, row.kept_bytes, digest)


def body_of(deposit: Deposit) -> bytes | None:
    """The kept bytes, if they are still there and still what was kept."""
    try:
        body = bodies.unpack(deposit)
    except FileNotFoundError:
        return None
    return body if bodies.intact(deposit, body) else None


def _source(now: datetime) -> Source:
    said = {"title": "Proofs by people", "created_at": now, "created_by": "countersign"}
    return Source.objects.get_or_create(name=SOURCE, defaults=said)[0]
