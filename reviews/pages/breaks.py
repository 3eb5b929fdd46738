"""What breaks when an item is revoked: who else uses it, what hangs on it, when it was used last.

Owns the rows of the dry run beside the form, and the digest by which signing tells whether it
has changed since it was shown. Reads only, over after two seconds, and keeps nobody from signing:
what could not be looked at says so. No evidence is never called "unused".
"""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Max

from evidence.models import Event, Run
from evidence.words import counted
from identities.models import (
    Binding,
    Credential,
    CredentialAgent,
    Delegation,
    DelegationVersion,
    Entitlement,
    Identity,
    UsageDay,
)
from identities.permissions import NotPossible
from reviews import shown
from reviews.actions.planted_answers import reading_of
from reviews.models import Item
from reviews.pages import freshness, issued_with

MOST_SECONDS = 2
KINDS = ("credential", "delegation", "entitlement", "identity")
ANSWERS = frozenset({"revoke"})
NOW_IS = timedelta(minutes=15)  # a run that was heard of so lately is going on
LONGEST_RUN = timedelta(days=1)
MOST_NAMED = 5
CHANGED = "What revoking breaks has changed since you looked"
SLOW = (
    f"Looking took longer than {MOST_SECONDS} seconds: what breaks is not known. It can be signed"
    " all the same."
)


class Fact(NamedTuple):
    """One row, what it is about and its value for scripts, and what of it would make somebody
    think again when it changes."""

    about: str
    value: Any
    kind: str
    words: str
    url: str = ""
    same: Any = None


class Breaks(NamedTuple):
    """What was found; `digest` "" where nothing can be compared, and `why` says why."""

    facts: list[Fact]
    digest: str
    why: str = ""

    @property
    def rows(self) -> list[dict[str, str]]:
        """For components/dry_run.html."""
        if self.why:
            return [{"kind": "waits", "words": self.why, "url": ""}]
        return [{"kind": one.kind, "words": one.words, "url": one.url} for one in self.facts]


def look(item: Item, identity: Identity | None, *, now: datetime) -> Breaks:
    """The dry run of revoking an item of this identity."""
    if identity is None or item.kind not in KINDS:
        return Breaks([], "")
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {MOST_SECONDS * 1000}")
            facts = _facts(item, identity, now)
            cursor.execute("SET LOCAL statement_timeout = 0")
    except OperationalError:
        return Breaks([], "", SLOW)
    said = json.dumps([one.same for one in facts], default=str)
    return Breaks(facts, hashlib.sha256(said.encode()).hexdigest()[:32])


def same_as_shown(item: Item, answer: str, was: str, *, now: datetime) -> None:
    """NotPossible where what revoking breaks has changed since the form was shown; once, because
    the form that answers carries what is so now. Who saw no dry run is asked nothing."""
    if changed(item, answer, was, now=now) is not None:
        raise NotPossible(f"{CHANGED}: read it beside your answer, and sign again.")


def changed(item: Item, answer: str, was: str, *, now: datetime) -> Breaks | None:
    """What it breaks now, where that is something else than behind the digest `was`."""
    if answer not in ANSWERS or not was:
        return None
    found = look(item, item.case.identity, now=now)
    return found if found.digest and found.digest != was else None


def as_data(item: Item, found: Breaks) -> dict[str, Any]:
    """The same for scripts: each fact with its value, and the digest to sign with."""
    return {
        "item": str(item.pk),
        "answer": "revoke",
        "digest": found.digest,
        "why_not_known": found.why,
        "facts": [
            {"about": one.about, "value": one.value, "words": one.words, "url": one.url}
            for one in found.facts
        ],
    }


def _facts(item: Item, identity: Identity, now: datetime) -> list[Fact]:
    return [
        *_shared(item, identity, now),
        *_issued(item, identity, now),
        *_dependents(identity, now),
        _last(item, identity, now),
        *_running(item, identity, now),
        _left(item, identity, now),
    ]


def _shared(item: Item, identity: Identity, now: datetime) -> list[Fact]:
    """Other identities that use the same credential or principal."""
    actors = _actors(item, identity, now)
    others = (
        Binding.objects.filter(
            actor__in=actors,
            state="confirmed",
            superseded_at__isnull=True,
            during__contains=now,
        )
        .exclude(identity=identity)
        .order_by("identity__name")
        .values_list("identity__name", flat=True)
        .distinct()
    )
    names = list(others[: MOST_NAMED * 10])
    if not names:
        return []
    said = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    words = f"It is shared: {said}{more} use it as well and lose it too."
    return [Fact("shared_with", names, "outside", words, "", names)]


def _issued(item: Item, identity: Identity, now: datetime) -> list[Fact]:
    """What the credential issued and goes with it. Sessions come and go: only what stands makes
    somebody read it again."""
    credential = Credential.objects.filter(pk__in=_refs(item)).first()
    if item.kind != "credential" or credential is None:
        return []
    incident = item.case.door == "incident"
    words, standing = issued_with.before(credential, identity, made=incident, now=now)
    url = f"/credentials/{credential.key}/"
    if words:
        replaced = issued_with.when_replaced(credential, identity, incident=incident, now=now)
        words = f"{words} {replaced}"
    return [Fact("issued", standing, "outside", words, url, standing)] if words else []


def _actors(item: Item, identity: Identity, now: datetime) -> list[int]:
    """The names by which what is revoked is used."""
    if item.kind == "credential":
        return list(
            Credential.objects.filter(pk__in=_refs(item)).values_list("actor_id", flat=True)
        )
    if item.kind == "delegation":
        return []
    rows = Binding.objects.filter(
        identity=identity, state="confirmed", superseded_at__isnull=True, during__contains=now
    )
    return list(rows.values_list("actor_id", flat=True)[:500])


def _refs(item: Item) -> list[UUID]:
    return [] if item.ref is None else [item.ref]


def _dependents(identity: Identity, now: datetime) -> list[Fact]:
    """Identities that hold what was passed on from this one."""
    names = list(
        Delegation.objects.filter(
            parent__grantee=identity,
            versions__superseded_at__isnull=True,
            versions__state="in_force",
            versions__during__contains=now,
        )
        .exclude(grantee=identity)
        .order_by("grantee__name")
        .values_list("grantee__name", flat=True)
        .distinct()[: MOST_NAMED * 10]
    )
    if not names:
        return []
    said = ", ".join(names[:MOST_NAMED])
    many = counted(len(names), "identity holds", "identities hold")
    words = f"{many} authority passed on from {identity.name}: {said}."
    url = f"/identities/{identity.key}/#authority"
    return [Fact("dependents", names, "waits", words, url, names)]


def _last(item: Item, identity: Identity, now: datetime) -> Fact:
    """When it was used last, and how far evidence can be trusted to say so."""
    fresh = freshness.of_identities([identity.number], now=now)[identity.number]
    known = f"evidence is known up to {fresh.at:%-d %b %H:%M} UTC" if fresh.at else ""
    doubt = fresh.why or known
    at = _last_use(item, identity, now)
    url = f"/events/?identity={identity.key}"
    if at is None:
        said = f"No use of it is in evidence ({doubt}). That does not say that nobody uses it."
        return Fact("last_used", None, "info", said, fresh.url, ["never", bool(fresh.why)])
    lately = now - at < timedelta(hours=1)
    words = f"Last used {_ago(now - at)} ago, {at:%-d %b %H:%M} UTC ({doubt})."
    return Fact("last_used", at, "outside" if lately else "waits", words, url, ["used", lately])


def _last_use(item: Item, identity: Identity, now: datetime) -> datetime | None:
    if item.kind == "credential":
        rows = Event.objects.filter(credential_id__in=_actors(item, identity, now))
        return rows.order_by("-at").values_list("at", flat=True).first()
    if item.kind == "delegation":
        patterns = shown.actions_of(item)
        used = shown.used_actions(identity).values()
        return max((last for name, (_, last) in used if shown.covers(patterns, name)), default=None)
    rows_of = UsageDay.objects.filter(identity_no=identity.number)
    last: datetime | None = rows_of.aggregate(at=Max("last_at"))["at"]
    return last


def _running(item: Item, identity: Identity, now: datetime) -> list[Fact]:
    """Runs of its agents that were heard of in the last quarter of an hour and have not ended."""
    if item.kind == "credential":
        rows = CredentialAgent.objects.filter(
            credential_actor__in=_actors(item, identity, now), last_at__gte=now - LONGEST_RUN
        )
        agents = set(rows.values_list("agent_actor", flat=True)[:200])
    else:
        agents = set()
    agents |= set(
        Binding.objects.filter(
            identity=identity,
            state="confirmed",
            superseded_at__isnull=True,
            during__contains=now,
            actor__kind__in=["agent", "agent_id"],
        ).values_list("actor_id", flat=True)[:200]
    )
    if not agents:
        return []
    many = Run.objects.filter(
        agent__in=agents,
        first_at__gte=now - LONGEST_RUN,
        last_at__gte=now - NOW_IS,
        ended=False,
    ).count()
    if not many:
        return []
    said = f"{counted(many, 'run of its agents is', 'runs of its agents are')} going on now."
    return [Fact("running", many, "outside", said, f"/identities/{identity.key}/", many > 0)]


def _left(item: Item, identity: Identity, now: datetime) -> Fact:
    """What of the identity works on without it."""
    keys = Credential.objects.filter(identity=identity, standing=True, state="active")
    if item.kind == "identity":
        many = keys.count()
        if identity.state == "draft":
            said = "is a draft: to revoke it refuses it for good, and cannot be undone."
            return Fact("left", 0, "outside", f"{identity.name} {said}", "", f"draft, {many}")
        return Fact("left", 0, "outside", f"Nothing of {identity.name} works on.", "", many)
    if item.kind == "credential":
        many = keys.exclude(pk__in=_refs(item)).count()
        said = counted(
            many, "other standing key of it works on", "other standing keys of it work on"
        )
        url = f"/credentials/?identity={identity.key}"
        if not many:
            words = f"It is the last standing key of {identity.name}."
            return Fact("left", 0, "outside", words, url, 0)
        return Fact("left", many, "info", f"{said}.", url, many)
    held = DelegationVersion.objects.filter(
        delegation__grantee=identity,
        superseded_at__isnull=True,
        state="in_force",
        revoked_at__isnull=True,
        during__contains=now,
    )
    others = (
        held.exclude(delegation=item.ref).count() if item.kind == "delegation" else held.count()
    )
    readings = Entitlement.objects.filter(
        identity=identity, superseded_at__isnull=True, during__contains=now
    )
    if item.kind == "entitlement" and (ref := reading_of(item)) is not None:
        readings = readings.exclude(pk=ref)
    systems = sorted(set(readings.values_list("system", flat=True)))
    words = counted(others, "delegation of it stays", "delegations of it stay")
    also = f"; {', '.join(systems)} goes on allowing what its own policies allow" if systems else ""
    url = f"/identities/{identity.key}/#authority"
    return Fact("left", others, "info", f"{words} in force{also}.", url, [others, systems])


def _ago(span: timedelta) -> str:
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 60:
        return counted(minutes, "minute")
    hours, days = minutes // 60, minutes // 1440
    return counted(hours, "hour") if hours < 48 else counted(days, "day")
