"""What changed in rows since a review: scope, delegations, owners, silences, ends of credentials.

Owns one finder for each of these triggers: a set-based question for rows without a trigger, and
the sentence of each. Each may run twice or die half-way: the trigger row is what is remembered.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef

from evidence.words import counted
from identities import authority
from identities.judging.verdicts import grant_of
from identities.models import Credential, DelegationVersion, Entitlement, Identity
from reviews.actions import policy_versions
from reviews.micro_reviews import SERIOUS, Asked
from reviews.models import OwnerSeen, SuccessionItem, Trigger

from . import refused, reread, serious, signals
from .noting import MOST, REVIEWED, events_of, note, trigger
from .wider import wider

# Days back in which a new stretch of activity is looked for: so long may no worker run. Not longer
# than the shortest silence a policy may name.
LATELY = 14
WIDER_ENTITLEMENT = f"""
SELECT e.id, coalesce(p.possible, q.possible), r.at, p.possible IS NULL,
    e.recorded_at < n.since + interval '1 day' AND n.since > r.at
FROM identities_entitlement e
JOIN ({REVIEWED}) r ON r.identity_id = e.identity_id
JOIN identities_identity i ON i.id = e.identity_id AND i.state <> 'retired'
LEFT JOIN LATERAL (
    SELECT o.possible FROM identities_entitlement o
    WHERE o.identity_id = e.identity_id AND o.principal = e.principal AND o.recorded_at <= r.at
    ORDER BY o.recorded_at DESC LIMIT 1) p ON true
-- What its system allows was read for the first time after the review: that is no widening, what
-- comes after it may be one.
LEFT JOIN LATERAL (
    SELECT o.possible FROM identities_entitlement o
    WHERE o.identity_id = e.identity_id AND o.principal = e.principal
      AND o.recorded_at > r.at AND o.recorded_at < e.recorded_at
    ORDER BY o.recorded_at LIMIT 1) q ON true
CROSS JOIN LATERAL (
    SELECT min(o.recorded_at) AS since FROM identities_entitlement o
    WHERE o.identity_id = e.identity_id AND o.system = e.system) n
WHERE e.superseded_at IS NULL AND upper_inf(e.during) AND e.recorded_at > r.at AND NOT EXISTS (
    SELECT 1 FROM reviews_trigger t WHERE t.identity_id = e.identity_id
      AND t.name = 'wider_entitlement' AND t.subject = e.id::text)
  -- Added to a review while it was open, it was decided there.
  AND NOT EXISTS (
    SELECT 1 FROM reviews_case c JOIN reviews_item x ON x.case_id = c.id
    WHERE c.identity_id = e.identity_id AND c.door = 'access_review'
      AND x.kind = 'entitlement' AND x.ref = e.id AND x.outcome NOT IN ('', 'conflict'))
ORDER BY e.recorded_at, e.id LIMIT %s
"""  # noqa: S608 - a constant
WIDER_DELEGATION = f"""
SELECT v.id, r.at FROM identities_delegationversion v
JOIN identities_delegation d ON d.id = v.delegation_id
JOIN ({REVIEWED}) r ON r.identity_id = d.grantee_id
JOIN identities_identity i ON i.id = d.grantee_id AND i.state <> 'retired'
WHERE v.state = 'in_force' AND v.superseded_at IS NULL AND NOT v.signed AND v."case" IS NULL
  -- What was before somebody signed it is over.
  AND v.revoked_at IS NULL AND (upper_inf(v.during) OR upper(v.during) > %s)
  AND v.recorded_at > r.at AND NOT EXISTS (
    SELECT 1 FROM reviews_trigger t WHERE t.identity_id = d.grantee_id
      AND t.name = 'wider_delegation' AND t.subject = v.id::text)
ORDER BY v.recorded_at, v.id LIMIT %s
"""  # noqa: S608 - a constant
# The first day of activity lately, and the day before it; both by usage_once. What others signal
# (plane 3) is about it and no act of its own.
DORMANT = """
SELECT i.id, woke.day, slept.day, woke.at FROM identities_identity i
CROSS JOIN LATERAL (
    SELECT u.day, min(u.first_at) AS at FROM identities_usageday u
    WHERE u.identity_no = i.number AND u.day >= %s AND u.plane <> 3
    GROUP BY u.day ORDER BY u.day LIMIT 1) woke
CROSS JOIN LATERAL (
    SELECT max(u.day) AS day FROM identities_usageday u
    WHERE u.identity_no = i.number AND u.day < woke.day AND u.plane <> 3) slept
WHERE i.state <> 'retired' AND woke.day - slept.day > %s AND NOT EXISTS (
    SELECT 1 FROM reviews_trigger t WHERE t.identity_id = i.id
      AND t.name = 'dormant' AND t.subject = woke.day::text)
ORDER BY i.number LIMIT %s
"""
BEGIN_WATCHING = """
INSERT INTO reviews_ownerseen (identity_id, owner_id, seen_at)
SELECT i.id, i.owner_id, %s FROM identities_identity i
WHERE NOT EXISTS (SELECT 1 FROM reviews_ownerseen s WHERE s.identity_id = i.id)
ON CONFLICT (identity_id) DO NOTHING
"""

NOTHING_MORE = "it allows nothing more than when it was reviewed"
FIRST = "it is the first reading, and nothing says that it allows more than before"
SUCCEEDS = "somebody has left, and the new owner is asked to accept it (reviews/succession)"

type Finder = Callable[[Asked, datetime], list[Trigger]]


def find_next(*, now: datetime) -> bool:
    """Note what every trigger of the policy in force finds now, a batch of each, and, whatever a
    policy says, what is used after its refusal; whether one of them may find more."""
    more = refused.note_next(now=now) >= MOST
    named = policy_versions.document_of(policy_versions.in_force(now=now)).micro_reviews
    found = [find(name, one, now=now) for name, one in named.items() if name in FINDERS]
    return more or any(count >= MOST for count in found)


def find_of(name: str, *, now: datetime) -> bool:
    """The same of one trigger alone, for what does not wait for the sweep; whether it found any."""
    named = policy_versions.document_of(policy_versions.in_force(now=now)).micro_reviews
    return name in named and find(name, named[name], now=now) > 0


def find(name: str, asked: Asked, *, now: datetime) -> int:
    """Note what one trigger finds now, at most MOST; how many it looked at."""
    with transaction.atomic():
        found = FINDERS[name](asked, now)
        note(found)
    return len(found)


def _entitlements(asked: Asked, now: datetime) -> list[Trigger]:  # noqa: ARG001 - one shape for all finders
    with connection.cursor() as cursor:
        cursor.execute(WIDER_ENTITLEMENT, [MOST])
        before = {pk: tuple(read) for pk, *read in cursor.fetchall()}
    found = []
    rows = list(Entitlement.objects.filter(pk__in=before).select_related("identity"))
    waiting = reread.open_items({row.identity_id for row in rows}) if rows else {}
    for row in rows:
        # An open item about the same principal becomes this reading, whatever it says.
        item = waiting.get((row.identity_id, row.principal))
        was, reviewed, unread, begins = before[row.pk]
        # Read for the first time, with all else that its system allows it.
        first = was is None and begins
        said = [] if first else wider(_read(was), row.possible)
        which = row.principal.rsplit("/", 1)[-1][:120]
        than = (
            f"more than {'when it was first read, after' if unread else 'at'} its review of"
            f" {reviewed:%-d %b %Y}"
            if was is not None
            else f"this, which was not read before its review of {reviewed:%-d %b %Y}"
        )
        than = f"{than}: {'; '.join(said)}" if said else f"no {than}"
        if first:
            than = f"what is read for the first time since its review of {reviewed:%-d %b %Y}"
        found.append(
            trigger(
                "wider_entitlement",
                row.identity,
                subject=str(row.pk),
                about=row.pk if item is None else item,
                title=f"What {row.system.upper()} allows {which}",
                words=f"Read {row.read_at:%-d %b %Y %H:%M} UTC: {row.system.upper()} allows {which}"
                f" {than}.",
                at=row.during.lower or row.recorded_at,
                now=now,
                links=[("What it may do now", f"/identities/{row.identity.key}/")],
                facts=None if item is None else {reread.NEWEST: str(row.pk)},
                known_why="" if said or item else FIRST if first else NOTHING_MORE,
            )
        )
    return found


def _read(possible: str | None) -> list[dict[str, object]]:
    """A JSON column as a raw query gives it: text, or nothing where there was no reading."""
    return [] if possible is None else list(json.loads(possible))


def _delegations(asked: Asked, now: datetime) -> list[Trigger]:  # noqa: ARG001 - one shape for all finders
    # One that is not wider is noted as well, as known: it is not compared again at each sweep.
    with connection.cursor() as cursor:
        cursor.execute(WIDER_DELEGATION, [now, MOST])
        reviewed = dict(cursor.fetchall())
    found = []
    rows = DelegationVersion.objects.filter(pk__in=reviewed).select_related("delegation__grantee")
    for row in rows:
        identity, at = row.delegation.grantee, reviewed[row.pk]
        said = _beyond(row, at)
        found.append(
            trigger(
                "wider_delegation",
                identity,
                subject=str(row.pk),
                about=row.delegation_id,
                title=f"Delegation {row.delegation.key}",
                words=f"{row.delegation.key} version {row.version} is in force, imported and"
                f" unsigned, and {_than(said, f'at the review of {at:%-d %b %Y}')}.",
                at=row.recorded_at,
                now=now,
                links=[(row.delegation.key, f"/identities/{identity.key}/#{row.delegation.key}")],
                known_why="" if said else "it is no wider than when it was reviewed",
            )
        )
    return found


def _than(said: list[str], before: str) -> str:
    return f"wider than {before}: {'; '.join(said)}" if said else f"no wider than {before}"


def _beyond(row: DelegationVersion, at: datetime) -> list[str]:
    """What a version delegates beyond all that was in force and known at this moment."""
    before = (
        DelegationVersion.objects.filter(
            delegation__grantee=row.delegation.grantee_id, state="in_force", recorded_at__lte=at
        )
        .exclude(superseded_at__lte=at)
        .select_related("delegation__grantee")
    )
    try:
        said = authority.narrower([grant_of(row)], [grant_of(one) for one in before])
    except authority.AuthorityError as problem:
        return [f"it cannot be compared: {problem}"]
    # In the words of children and parents, which these are not.
    return [one.replace("is not delegated by the parent", "was not delegated") for one in said][:10]


def _owners(asked: Asked, now: datetime) -> list[Trigger]:  # noqa: ARG001 - one shape for all finders
    """Also remembers who answers from now on, in the transaction of the trigger."""
    with connection.cursor() as cursor:
        cursor.execute(BEGIN_WATCHING, [now])
    rows = list(
        OwnerSeen.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(identity__owner__isnull=False)
        .exclude(owner=F("identity__owner"), owner__isnull=False)
        .select_related("identity__owner__person", "identity__owner__team", "owner__person",
                        "owner__team")
        .order_by("identity")[:MOST]
    )  # fmt: skip
    left = set(
        SuccessionItem.objects.filter(
            role="owner", identity__in=[row.identity_id for row in rows]
        ).values_list("identity", "heir")
    )
    found = []
    for row in rows:
        one = row.identity
        if row.owner is not None and one.state != "retired":
            found.append(
                trigger(
                    "owner_changed",
                    one,
                    subject=f"{row.owner_id} {one.owner_id} {row.seen_at.isoformat()}",
                    about=one.pk,
                    title=f"{one.name} under its new owner",
                    words=f"{one.owner} answers for {one.name} now, in place of {row.owner}.",
                    at=now,
                    now=now,
                    links=[("Who changed it, and why", f"/ledger/?subject={one.key}")],
                    known_why=SUCCEEDS if (one.pk, one.owner_id) in left else "",
                )
            )
        row.owner, row.seen_at = one.owner, now
    OwnerSeen.objects.bulk_update(rows, ["owner", "seen_at"])
    return found


def _dormant(asked: Asked, now: datetime) -> list[Trigger]:
    with connection.cursor() as cursor:
        cursor.execute(DORMANT, [(now - timedelta(days=LATELY)).date(), asked.days, MOST])
        seen = {pk: said for pk, *said in cursor.fetchall()}
    found = []
    for one in Identity.objects.filter(pk__in=seen).order_by("number"):
        woke, slept, at = seen[one.pk]
        days = counted((woke - slept).days, "day")
        found.append(
            trigger(
                "dormant",
                one,
                subject=woke.isoformat(),
                about=one.pk,
                title=f"{one.name} after {days} of silence",
                words=f"Active again on {woke:%-d %b %Y}; before that, the last evidence of it is of"
                f" {slept:%-d %b %Y}, {days} earlier. No evidence is not the same as not used: see"
                " the freshness of its sources.",
                at=at,
                now=now,
                links=[
                    events_of(one, "What it did since", **{"from": f"{woke}T00:00:00+00:00"}),
                    events_of(one, "Before the silence", to=f"{slept}T23:59:59+00:00"),
                ],
            )
        )
    return found


def _ends(asked: Asked, now: datetime) -> list[Trigger]:
    noted = Trigger.objects.filter(
        identity=OuterRef("identity"), name="credential_expiry", about=OuterRef("pk")
    )
    rows = (
        Credential.objects.filter(
            standing=True,
            state__in=["active", "held"],
            identity__isnull=False,
            expires_at__gt=now,
            expires_at__lte=now + timedelta(days=asked.days),
        )
        .exclude(identity__state="retired")
        # One whose end was moved is asked about again before the new one.
        .filter(~Exists(noted.filter(at=OuterRef("expires_at"))))
        .select_related("actor", "identity")
        .order_by("expires_at", "number")[:MOST]
    )
    return [
        trigger(
            "credential_expiry",
            one.identity,
            subject=f"{one.key} {one.expires_at.isoformat()}",
            about=one.pk,
            title=f"Credential {one.short}",
            words=f"{one.key} {one.short} ends on {one.expires_at:%-d %b %Y %H:%M} UTC: say whether it"
            " is renewed, replaced or left to end.",
            at=one.expires_at,
            now=now,
            links=[(one.key, f"/credentials/{one.key}/")],
        )
        for one in rows
        if one.identity is not None and one.expires_at is not None
    ]


FINDERS: dict[str, Finder] = {
    "wider_entitlement": _entitlements,
    "wider_delegation": _delegations,
    "owner_changed": _owners,
    "dormant": _dormant,
    "credential_expiry": _ends,
    "received_signal": signals.asks,
    "refused_again": refused.asks,
    SERIOUS: serious.asks,
}
