"""What a format yields: normalised records, before they have ids in the database.

Owns the shapes between formats and intake. Pure: no Django, no I/O. Times are integers in
microseconds since 1970-01-01 UTC; trace ids are 16 bytes, span ids 8 bytes, absent values None.
"""

from collections.abc import Callable
from typing import NamedTuple

from evidence.formats.lines import Seams


class ActorName(NamedTuple):
    """A name by which somebody appears in evidence.

    `realm` is the authority that issued the name (docs/decisions, 3): ``aws`` for access key
    ids, ``aws:<account>`` for ARNs and names, ``otel:<source>`` for names a sender chose.
    `kind` is one of: access_key, arn, role_session, account, service, federated, agent,
    agent_id, user, web_identity. `parent` is the longer-lived name that people bind instead
    (the role of a role session, the role or user of a temporary key); None for standing names.
    """

    realm: str
    kind: str
    value: str
    parent: "ActorName | None" = None


class Issued(NamedTuple):
    """A credential that the record says was issued."""

    credential: ActorName
    issued_to: ActorName | None
    standing: bool
    expires_at: int | None  # microseconds UTC


class Record(NamedTuple):
    """One thing that happened, as its format reads it."""

    position: str  # place inside the deposit: "Records[3]", "line 12", "spans[0.0.5]"
    digest: bytes  # 16 bytes, keyed; realm, format, vendor id and canonical received record
    at: int | None  # event time; None: the record states none
    realm: str
    plane: int
    activity: int
    outcome: int
    action: str
    resource: str | None = None
    principal: ActorName | None = None
    credential: ActorName | None = None
    agent: ActorName | None = None
    on_behalf: ActorName | None = None
    vendor_id: str | None = None
    request_id: str | None = None
    trace_id: bytes | None = None
    span_id: bytes | None = None
    parent_span_id: bytes | None = None
    duration: int | None = None  # microseconds
    address: str | None = None
    user_agent: str | None = None
    error: str | None = None
    conversation: str | None = None
    task: str | None = None  # decisions 9: the task a run names
    release: str | None = None  # agent version, model
    issued: Issued | None = None


class Rejected(NamedTuple):
    """A record that becomes no event: where, why, and a redacted excerpt (<= 300 characters)."""

    position: str
    reason: str
    excerpt: str
    # Its time, where it is kept as old: microseconds since 1970.
    old_at: int | None = None


class Redaction(NamedTuple):
    """Something the privacy rule removed before anything touched the disk."""

    position: str
    kind: str  # "aws_secret", "bearer", "content" …
    length: int  # characters removed


class Parsed(NamedTuple):
    """One batch read from one body."""

    kept: bytes  # what may be stored, after the privacy rule; the same format reads it again
    records: list[Record]
    rejects: list[Rejected]
    redactions: list[Redaction]


class Asked(NamedTuple):
    """What the door knows about the sender; given to every format.

    `realms`: the realms a pushing source may speak for; empty = any (decisions 3).
    `keep_content`: keep prompts, completions, tool arguments and results.
    `task_attribute`: the attribute by which this source's runs name their task (decisions 9).
    `forced`: a person chose the format: records that look like another's are read by it as well.
    `home`: the source's name, where records that state no realm are told apart by it (unstated.py).
    """

    source: str
    digest_key: bytes
    realms: frozenset[str] = frozenset()
    keep_content: bool = False
    task_attribute: str = ""
    forced: bool = False
    home: str = ""


class Format(NamedTuple):
    """One evidence format: how to know it and how to read it."""

    name: str  # "cloudtrail", "otlp"
    title: str
    # True when the (decompressed) head of a body looks like this format.
    recognise: Callable[[bytes], bool]
    parse: Callable[[bytes, Asked], Parsed]
    # Counted up when the same bytes are read otherwise than before: what an older version read
    # can be read again (evidence/rereading).
    version: int = 2  # 2: records are told apart by SHA-256
    # Where a large body that is no JSON may be cut, by its beginning.
    seams: Callable[[bytes], Seams | None] = lambda _: None
    # Members of a document that list its records; empty: a document is never cut.
    lists: tuple[str, ...] = ()
