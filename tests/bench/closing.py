"""A campaign that ends with 10,000 decided items: how long two workers take to carry them out.

Each of its reviews keeps a key and a delegation, revokes or replaces another key, and narrows or
ends another delegation. Then what was revoked is effective, and the reviews close. And 2,000
outcomes under a policy that holds what is revoked for some days first: held, and ended together.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import Group

from evidence.models import LedgerEntry
from identities.models import Person, Revocation, User
from reviews import actions
from reviews.actions import policy_versions
from reviews.models import Campaign, Case, Item, Quarantine, ReviewPolicy
from tests.bench import database, deadlines, line
from tests.bench.told import Said
from tests.reviews import crowd, decided, silent

ITEMS, EACH = 10_000, 4
HELD, DAYS = 2_000, 7
OPENED = datetime(2026, 11, 2, tzinfo=UTC)
ENDS = OPENED + silent.WITHIN
CLOSED = ENDS + timedelta(hours=1)


def measure(items: int = ITEMS) -> Iterator[Said]:
    line.ready()
    reviews = items // EACH
    campaign = _decided(reviews)
    database.as_owner("ANALYZE")
    yield from _carried(reviews, campaign)
    Revocation.objects.update(state="effective", effective_at=CLOSED)
    seconds, ours, server = _sweep(CLOSED)
    closed = Case.objects.filter(campaign=campaign, state="closed").count()
    yield Said(
        f"  and closing {closed:,} of the reviews",
        f"{seconds:.1f} s, {ours:.1f} CPU s and {server:.1f} of PostgreSQL",
        "target 60",
        seconds <= 60 and closed == reviews // 2,
    )
    yield from held()


def held(items: int = HELD) -> Iterator[Said]:
    """Decided to be revoked, held first, and ended when their time is over."""
    source = silent.at_work(opened=OPENED, until=CLOSED + timedelta(days=DAYS + 1))
    policy = policy_versions.in_force(now=OPENED)
    ReviewPolicy.objects.filter(pk=policy.pk).update(
        document=policy.document | {"quarantine_days": DAYS}
    )
    cases = silent.cases(
        items // EACH,
        silence="suspend",
        parties=crowd.people(300, name="holder"),
        source=source,
        opened=OPENED,
        policy=policy,
    )
    person = Person.objects.create(name="Holder", email="holder@example.org")
    user = User.objects.create(username="holder", email="holder@example.org", person=person)
    decided.decide(cases, by=user, at=ENDS, answers=[["revoke"]] * EACH)
    database.as_owner("ANALYZE")
    for what, at, state in (
        ("held for some days first", CLOSED, "held"),
        ("ended when these are over", CLOSED + timedelta(days=DAYS), "revoked"),
    ):
        seconds, ours, server = _sweep(at)
        many = Quarantine.objects.filter(case__in=cases, state=state).count()
        yield Said(
            f"{many:,} outcomes {what}",
            f"{seconds:.1f} s, {ours:.1f} CPU s and {server:.1f} of PostgreSQL",
            "target 20",
            seconds <= 20 and many == items,
        )


def _carried(reviews: int, campaign: Campaign) -> Iterator[Said]:
    seconds, ours, server = _sweep(CLOSED)
    yield Said(
        f"campaign, {reviews * EACH:,} outcomes at its end, {deadlines.WORKERS} workers",
        f"{seconds:.1f} s, {ours:.1f} CPU s and {server:.1f} of PostgreSQL",
        "target 60",
        seconds <= 60,
    )
    done = Counter(
        LedgerEntry.objects.filter(act__in=["item.carried_out", "item.waits"]).values_list(
            "data__item", flat=True
        )
    )
    waits = Item.objects.filter(case__campaign=campaign, carried_out_at__isnull=True)
    once = len(done) == reviews * EACH and set(done.values()) == {1}
    yield Said(
        "  each carried out once",
        f"{len(done):,} items, {sum(done.values()):,} times",
        f"{waits.count():,} wait for their replacement",
        once and waits.count() == waits.filter(outcome="replace").count() == reviews // 2,
    )


def _sweep(now: datetime) -> tuple[float, float, float]:
    return deadlines.swept(lambda: actions.carry_out_next(now=now))


def _decided(many: int) -> Campaign:
    """A campaign of so many reviews that has ended, all of them decided."""
    source = silent.at_work(opened=OPENED, until=ENDS + timedelta(days=1))
    parties = crowd.people(300)
    cases = silent.cases(many, silence="revoke", parties=parties, source=source, opened=OPENED)
    person = Person.objects.create(name="Bench", email="bench@example.org")
    user = User.objects.create(username="bench", email="bench@example.org", person=person)
    user.groups.add(Group.objects.get_or_create(name="reviewer")[0])
    campaign = Campaign.objects.create(
        name="Everything",
        policy=policy_versions.in_force(now=OPENED),
        state="running",
        applies="at_end",
        reason="bench",
        made_at=OPENED,
        made_by=user.ref,
        deadline_at=ENDS,
        launched_at=OPENED,
        launched_by=user.ref,
        asked_at=OPENED,
    )
    decided.decide(cases, by=user, at=ENDS, campaign=campaign)
    return campaign
