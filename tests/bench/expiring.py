"""10,000 ends within one minute, two workers: how long until each is done, and that it is done once.

What ends by itself needs nobody: our own door answers by the stored moment, which is asked for here
at that moment. What a worker does is the rest: identities whose attestation ends are suspended, with
the hold of their key asked for (how quickly a target shows those is `revoking`), and credentials
that end are told in the ledger.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone

from evidence.keys import uuid7
from evidence.models import LedgerEntry
from identities import decisions
from identities.actions import credentials
from identities.models import (
    Credential,
    Delegation,
    DelegationVersion,
    Identity,
    Party,
    Person,
    Revocation,
)
from reviews.actions import expiring, policy_versions
from reviews.models import EndStep, Heartbeat, Notice, ReviewPolicy
from tests.bench import database, deadlines, revoking
from tests.bench.told import Said
from tests.reviews import crowd

ATTESTED, CREDENTIALS, DELEGATIONS = 4_000, 3_000, 3_000
ASKED = 300
# Days before the end at which a policy may warn; all of them have been.
WARNED = (30, 14, 7, 3, 1)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ACCOUNT = "111122223333"
SUSPENDS = {"attestation": {"at_end": "suspend"}}


def measure(
    attested: int = ATTESTED, keys: int = CREDENTIALS, delegated: int = DELEGATIONS
) -> Iterator[Said]:
    ends = timezone.now().replace(microsecond=0)
    late = ends + MINUTE
    Heartbeat.objects.create(since=ends - 30 * DAY, until=late)
    _policy(ends)
    identities = _attested(attested, ends)
    _credentials(keys, ends)
    granted = _delegated(delegated, ends)
    database.as_owner("ANALYZE")
    yield _at_our_door(granted, late)
    many = attested + keys + delegated

    def step() -> bool:
        return credentials.expire_next(now=late) > 0 or expiring.expire_next(now=late)

    seconds, ours, server = deadlines.swept(step)
    yield Said(
        f"{many:,} ends in one minute, {deadlines.WORKERS} workers",
        f"{seconds:.1f} s, {ours:.1f} CPU s and {server:.1f} of PostgreSQL",
        "target 180",
        seconds <= 180,
    )
    suspended = Identity.objects.filter(state="suspended").count()
    steps = EndStep.objects.filter(days=0, did="suspended").count()
    holds = Revocation.objects.filter(step="hold", system="aws").count()
    once = suspended == steps == holds == attested == len(identities)
    yield Said(
        "  attestations: each suspended, its key asked for, once",
        f"{suspended:,} identities, {holds:,} holds",
        "",
        once and _once("end.suspended", attested),
    )
    over = Credential.objects.filter(state="expired").count()
    yield Said(
        "  credentials: each expired, told once",
        f"{over:,}",
        "",
        over == keys and _once("credential.expired", keys),
    )


def _once(act: str, many: int) -> bool:
    found = Counter(LedgerEntry.objects.filter(act=act).values_list("subject", flat=True))
    return len(found) == many and set(found.values()) == {1}


def _policy(at: datetime) -> None:
    name = policy_versions.POLICY
    persons = [Person.objects.create(name=f"signer {number}") for number in range(2)]
    ReviewPolicy.objects.create(
        name=name,
        version=1,
        state="signed",
        document=SUSPENDS,
        **policy_versions._numbers(policy_versions.of_document(SUSPENDS, name)),
        recorded_at=at - 30 * DAY,
        recorded_by="bench",
        proposed_person=persons[0],
        settled_person=persons[1],
        settled_at=at - 30 * DAY,
    )


def _within(number: int, many: int, ends: datetime) -> datetime:
    """Spread over the minute."""
    return ends + MINUTE * number / many


def _attested(many: int, ends: datetime) -> list[Identity]:
    """Identities with a key of a user each, whose owners were warned and have not renewed."""
    names = {f"attested-{n:05d}": f"AKIAATTESTED{n:08d}" for n in range(many)}
    identities = revoking.identities_of(names, ACCOUNT)
    owners = crowd.people(300)
    warned = ends - 7 * DAY
    for number, one in enumerate(identities):
        one.state, one.mode, one.purpose = "active", "enforce", "it reads reports every night"
        one.owner = owners[number % len(owners)]
        one.expires_at = _within(number, many, ends)
        one.created_at = ends - 90 * DAY
    said = ["state", "mode", "purpose", "owner", "expires_at", "created_at"]
    Identity.objects.bulk_update(identities, said, batch_size=1_000)
    EndStep.objects.bulk_create(
        [
            EndStep(
                identity=one, what="attestation", ends_at=_within(number, many, ends), days=days,
                did="warned", done_at=warned, words="warned",
            )
            for number, one in enumerate(identities)
            for days in WARNED
        ],
        batch_size=2_000,
    )  # fmt: skip
    Notice.objects.bulk_create(
        Notice(
            person_id=party.person_id,
            channel="mail",
            subject="x",
            body="x",
            occasion=expiring.occasion(warned),
            created_at=warned,
            not_before=warned,
            sent_at=warned,
        )
        for party in owners
    )
    return identities


def _credentials(many: int, ends: datetime) -> None:
    """Keys that end by themselves, of identities that go on."""
    owners: list[Party] = []
    made = crowd.identities(many, owners=owners, of=[], now=ends, name="keyed")
    of = {one.pk: number for number, one in enumerate(made)}
    rows = Credential.objects.filter(identity__in=made).order_by("identity", "pk")
    ending = list(rows.distinct("identity"))
    for one in ending:
        one.expires_at = _within(of[one.identity_id], many, ends) if one.identity_id else ends
    Credential.objects.bulk_update(ending, ["expires_at"], batch_size=1_000)


def _delegated(many: int, ends: datetime) -> list[Identity]:
    """Identities whose only delegation ends."""
    made = Identity.objects.bulk_create(
        [
            Identity(
                name=f"delegated-{n:05d}", kind="agent", state="active", mode="enforce",
                expires_at=ends + 90 * DAY, purpose="x", created_at=ends - 90 * DAY,
                owner=Party.objects.first(),
            )
            for n in range(many)
        ]
    )  # fmt: skip
    rows = Delegation.objects.bulk_create(
        [Delegation(grantee=one, slug="task", created_at=ends) for one in made]
    )
    DelegationVersion.objects.bulk_create(
        [
            DelegationVersion(
                delegation=row,
                version=1,
                state="in_force",
                case=uuid7(),
                actions=["s3:GetObject"],
                resources=["invoices/*"],
                during=(ends - 30 * DAY, _within(number, many, ends)),
                recorded_at=ends - 30 * DAY,
                by="bench",
            )
            for number, row in enumerate(rows)
        ]
    )
    return made


def _at_our_door(granted: list[Identity], late: datetime) -> Said:
    """Before any worker has looked: what has ended is denied, and what has not yet is not."""
    some = granted[:: max(1, len(granted) // ASKED)]
    wrong = 0
    for one in some:
        asked = decisions.Question(one.name, "s3:GetObject", "invoices/1.pdf")
        before = decisions.decide(asked, now=late - 2 * MINUTE)
        after = decisions.decide(asked, now=late)
        wrong += not before.allowed or after.allowed
    return Said(
        f"  delegations: {len(some)} of {len(granted):,} asked about at our door",
        f"{wrong} answered wrongly",
        "no worker needed",
        wrong == 0,
    )
