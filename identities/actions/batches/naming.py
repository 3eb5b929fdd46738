"""What people name when they name many: identities and credentials, by any name they go by.

Owns the reading of such a list and what each line stands for; a line that stands for nothing, or for
two, says so and holds up no other. A constant number of queries.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q, QuerySet

from identities import visible
from identities.models import Binding, Credential, Identity, User
from identities.permissions import NotPossible

MOST = 1_000
LONGEST = 500
NHI, CRED = re.compile(r"NHI-0*(\d{1,15})"), re.compile(r"CRED-0*(\d{1,15})")
NOT_HERE = "Nothing that you see goes by this name: give a key (NHI-12, CRED-7), or its whole name."


class Named(NamedTuple):
    """One line. `why`: why it stands for nothing that can be asked for."""

    said: str
    identity: Identity | None
    credential: Credential | None
    why: str = ""


def lines_of(text: str) -> list[str]:
    """The names in a pasted text or a CSV: the first cell of each line, without what is empty."""
    found = []
    for row in csv.reader(text.replace("\0", "").splitlines()):
        first = row[0].strip() if row else ""
        if first:
            found.append(first)
    return found


def checked(names: Sequence[str]) -> list[str]:
    """The same names, or NotPossible where they are none or too many."""
    if not names:
        raise NotPossible("Name at least one target, a line each.")
    if len(names) > MOST:
        raise NotPossible(
            f"One signature acts on at most {MOST:,} targets: these are {len(names):,}."
        )
    long = next((one for one in names if len(one) > LONGEST), None)
    if long is not None:
        raise NotPossible(f"A name has at most {LONGEST} characters: {long[:80]!r}.")
    return list(names)


def found(names: Sequence[str], user: User, *, now: datetime) -> list[Named]:
    """What each of these names stands for, among what the user sees."""
    identities = visible.identities(user, now=now).select_related("service")
    credentials = visible.credentials(user, now=now).select_related("actor", "identity__service")
    by_key = _identities(names, identities)
    by_credential = _credentials(names, credentials)
    by_binding = _bound(names, user, now=now)
    made: list[Named] = []
    first: dict[object, str] = {}
    for name in names:
        one = _one(
            name, by_key.get(name, []), by_credential.get(name, []), by_binding.get(name, [])
        )
        thing = (one.identity and one.identity.pk, one.credential and one.credential.pk)
        if not one.why and thing in first:
            one = Named(name, None, None, f"It is named twice: see {first[thing]}.")
        elif not one.why:
            first[thing] = name
        made.append(one)
    return made


def _numbered(names: Iterable[str], key: re.Pattern[str]) -> dict[int, list[str]]:
    """The names that are keys, by their number; one may be written in two ways."""
    found: dict[int, list[str]] = {}
    for name in dict.fromkeys(names):
        if hit := key.fullmatch(name):
            found.setdefault(int(hit[1]), []).append(name)
    return found


def _identities(names: Sequence[str], rows: QuerySet[Identity]) -> dict[str, list[Identity]]:
    numbers = _numbered(names, NHI)
    there: dict[str, list[Identity]] = {}
    for one in rows.filter(Q(number__in=list(numbers)) | Q(name__in=list(names))):
        for name in (*numbers.get(one.number, ()), one.name):
            there.setdefault(name, []).append(one)
    return there


def _credentials(names: Sequence[str], rows: QuerySet[Credential]) -> dict[str, list[Credential]]:
    numbers = _numbered(names, CRED)
    there: dict[str, list[Credential]] = {}
    for one in rows.filter(Q(number__in=list(numbers)) | Q(actor__value__in=list(names))):
        for name in (*numbers.get(one.number, ()), one.actor.value):
            there.setdefault(name, []).append(one)
    return there


def _bound(names: Iterable[str], user: User, *, now: datetime) -> dict[str, list[Identity]]:
    """The identities that names of evidence are confirmed to be: an ARN, a client id."""
    rows = visible.bindings(user, now=now).filter(
        state="confirmed", during__contains=now, actor__value__in=list(names)
    )
    there: dict[str, dict[object, Identity]] = {}
    binding: Binding
    for binding in rows.select_related("identity__service", "actor"):
        there.setdefault(binding.actor.value, {})[binding.identity_id] = binding.identity
    return {name: list(some.values()) for name, some in there.items()}


def _one(
    name: str, keys: list[Identity], credentials: list[Credential], bound: list[Identity]
) -> Named:
    if len({*keys}) + len(credentials) > 1:
        said = {one.key for one in keys} | {one.key for one in credentials}
        many = ", ".join(sorted(said))
        return Named(name, None, None, f"It is the name of several: {many}. Give the key of one.")
    if credentials:
        credential = credentials[0]
        if credential.identity is None:
            why = f"{credential.key} is bound to no identity: bind it first."
            return Named(name, None, credential, why)
        return Named(name, credential.identity, credential)
    identities = keys or bound
    if len(identities) > 1:
        many = ", ".join(sorted(one.key for one in identities))
        return Named(name, None, None, f"Several act by this name: {many}. Give the key of one.")
    if identities:
        return Named(name, identities[0], None)
    return Named(name, None, None, NOT_HERE)
