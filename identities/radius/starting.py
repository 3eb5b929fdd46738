"""Where a blast radius begins: a credential, an identity, a run or an address, at a moment.

Owns how a start is written in an address, and by which events and credentials it acts. Whether
somebody may see it is asked by the caller, with what they may see.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q

from evidence.keys import key_of
from evidence.models import Actor, Run, Term
from evidence.queries import looking
from evidence.vocabulary import EXACT, INFERRED, KEY
from identities.models import Binding, Credential, Identity

WRITTEN = re.compile(
    r"(?i)(?:(credential):CRE?D-0*(\d{1,15})|(identity):NHI-0*(\d{1,15})|(run):RUN-0*(\d{1,15})"
    r"|(address):(\S{1,253}))"
)
# Credentials by which an identity acts: its newest, the standing ones first. What those minted is
# walked along, so sessions of theirs that are not among them are still met.
MOST_ACTORS = 1_000
MOST_RUN_EVENTS = 5_000
MOST_ADDRESS_EVENTS = 5_000
# A key link with several runs, or with more calls than spans, does not say which run it was.
OF_RUN = """
SELECT l.effect_at, l.effect_id, max(CASE
    WHEN l.strength = %(exact)s THEN 4
    WHEN l.strength = %(key)s AND l.runs = 1 AND l.surplus = 0 THEN 3
    WHEN l.strength = %(inferred)s AND l.runs = 1 AND l.surplus = 0 THEN 2
    ELSE 1 END)
FROM (
    SELECT DISTINCT k.effect_at, k.effect_id FROM evidence_event s
    JOIN evidence_link k ON k.cause_at = s.at AND k.cause_id = s.id
    WHERE s.trace = %(trace)s AND s.source_id = %(source)s AND k.effect_at <= %(at)s) e
JOIN evidence_shownlink l ON l.effect_at = e.effect_at AND l.effect_id = e.effect_id
JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
WHERE s.trace = %(trace)s AND s.source_id = %(source)s AND l.strength > 0
GROUP BY l.effect_at, l.effect_id ORDER BY l.effect_at DESC, l.effect_id DESC LIMIT %(most)s
"""


class Start(NamedTuple):
    """Where one begins, and by what it acts."""

    kind: str
    key: str
    name: str
    at: datetime
    identity: Identity | None = None
    credential: Credential | None = None
    actors: tuple[int, ...] = ()  # credentials, as evidence names them
    # Of a run and an address: their events, each with how surely it is theirs.
    events: tuple[tuple[datetime, int, int], ...] = ()
    bounded: str = ""  # what was not looked at, as a sentence
    term: int | None = None  # of an address

    @property
    def written(self) -> str:
        """As an address writes it: ``credential:CRED-1``."""
        return f"{self.kind}:{self.key}"

    @property
    def by_events(self) -> bool:
        return self.kind in ("run", "address")


class Written(NamedTuple):
    """What an address names."""

    kind: str
    value: str


def parse(text: str) -> Written | None:
    """What ``credential:CRED-1``, ``identity:NHI-2``, ``run:RUN-3`` or ``address:198.51.100.7``
    names; None where it is none of these."""
    found = WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    kind, value = (one for one in found.groups() if one is not None)
    return Written(kind.lower(), value)


def of_credential(one: Credential, *, at: datetime) -> Start:
    """`one` with its actor and identity."""
    return Start(
        "credential", one.key, one.short, at, one.identity, one, (one.actor_id,)
    )  # fmt: skip


def of_identity(one: Identity, *, at: datetime) -> Start:
    """By its credentials issued by then, and the names that are bound to it then."""
    issued = Credential.objects.filter(identity=one).filter(
        Q(issued_at__isnull=True) | Q(issued_at__lte=at)
    )
    newest = issued.order_by("-standing", "-issued_at").values_list("actor_id", flat=True)
    actors = list(newest[: MOST_ACTORS + 1])
    bound = Binding.objects.filter(
        identity=one, state="confirmed", superseded_at__isnull=True, during__contains=at
    ).values_list("actor_id", flat=True)[:1_000]
    more = (
        f"Begun with its newest {MOST_ACTORS:,} credentials." if len(actors) > MOST_ACTORS else ""
    )
    every = dict.fromkeys([*actors[:MOST_ACTORS], *bound])
    return Start("identity", one.key, one.name, at, one, None, tuple(every), (), more)


def of_run(run: Run, *, at: datetime) -> Start:
    """By the calls that are linked to its spans."""
    facts: dict[str, Any] = {
        "exact": EXACT,
        "key": KEY,
        "inferred": INFERRED,
        "trace": run.trace,
        "source": run.source_id,
        "at": at,
        "most": MOST_RUN_EVENTS + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(OF_RUN, facts)
        events = cursor.fetchall()
    said = str(run.agent or run.service or "an agent that is not named")
    more = f"Only its newest {MOST_RUN_EVENTS:,} calls." if len(events) > MOST_RUN_EVENTS else ""
    events = events[:MOST_RUN_EVENTS]
    return Start(
        "run", run.key, f"{run.key}, {said}", at, None, None, _credentials(events), tuple(events), more
    )  # fmt: skip


def of_address(address: str, *, scope: frozenset[int] | None, at: datetime) -> Start | None:
    """By the calls that came from it, looked for from the newest back; None: it is in no record.

    `scope`: the actors whose events the reader may see; None: all.
    """
    term = Term.objects.filter(key=key_of(str(Term.ADDRESS), address)).first()
    if term is None:
        return None
    common = looking.Where()
    if scope is not None:
        people = sorted(scope)
        common.add("(credential_id = ANY(%s) OR principal_id = ANY(%s))", people, people)
    matching = looking.Matching([("address_id = %s", [term.pk])], common, MOST_ADDRESS_EVENTS)
    found = looking.back(matching, None, None, (at, 2**63 - 1))
    if scope is not None and not found.keys:
        return None
    more = ""
    if found.slow:
        more = "Looking for its calls took too long: none of them is counted here."
    elif found.looked_to is not None:
        more = f"Looked back to {found.looked_to:%Y-%m-%d %H:%M} UTC: what is older was not read."
    elif found.before is not None:
        more = f"Only its newest {MOST_ADDRESS_EVENTS:,} calls."
    events = [(at_, number, 4) for at_, number in found.keys]
    return Start(
        "address", address, address, at, None, None, _credentials(events), tuple(events), more, term.pk
    )  # fmt: skip


def _credentials(events: list[Any]) -> tuple[int, ...]:
    """By which credentials these events were made."""
    if not events:
        return ()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT e.credential_id FROM unnest(%s::timestamptz[], %s::bigint[]) k(at, id)"
            " JOIN evidence_event e ON e.at = k.at AND e.id = k.id"
            " WHERE e.credential_id IS NOT NULL ORDER BY 1 LIMIT %s",
            [[one[0] for one in events], [one[1] for one in events], MOST_ACTORS],
        )
        return tuple(number for (number,) in cursor.fetchall())


def names(actors: Iterable[int]) -> dict[int, str]:
    """How these actors are called, keys in short."""
    rows = Actor.objects.filter(pk__in=set(actors)).values_list("pk", "value")
    return {pk: short(value) for pk, value in rows}


def short(value: str) -> str:
    """A credential as pages show it: AKIA…QP7D; roles by their last name."""
    if value.startswith("arn:"):
        return value.rsplit(":", 1)[-1]
    return f"{value[:4]}…{value[-4:]}" if len(value) > 12 and value.isalnum() else value
