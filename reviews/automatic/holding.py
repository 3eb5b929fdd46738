"""The hold that goes out by itself: one finding, one transaction, by the ordinary road.

Owns when a finding of a marked class holds, and when a person is asked instead. The row, the
incident, its item and the revocation are written together or not at all, so a worker that is killed
has held nothing, and the next one begins anew; what is sent is the ordinary worker's.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from evidence.vocabulary import KEY
from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.actions import outgoing
from identities.findings import RULES
from identities.models import Finding, Identity, Person
from reviews import freezes
from reviews.actions import entitled, entries, holds, modes_now, opening, reminders
from reviews.models import AutomaticHold, Case, HoldRule, Item

from . import incidents, proof, replay, rules, scopes, things

# Where holds.hold says in an item's snapshot what it stopped; kept on the hold's own row instead,
# because looking at an item again makes its snapshot anew.
MARKS = ("held", "suspended", entitled.ALLOWED)
# Of findings, a bound on what an index is walked for.
LOOKED_BACK = timedelta(days=1)
# Of each rule in one turn, where the scope of some has just been taken back.
MOST_TRIED = 20


class Instead(NamedTuple):
    """Why nothing is held, and who is asked beside whom the rule names."""

    words: str
    persons: tuple[Person, ...] = ()
    ends: str = ""  # why the rule is over with it
    quiet: bool = False  # people were told of the same already


def hold_next(*, now: datetime) -> bool:
    """Hold for one finding, or ask a person instead; False when none waits."""
    if not HoldRule.objects.filter(state="in_force").exists():
        return False
    with transaction.atomic():
        rules.one_at_a_time()
        return any(_take(rule, finding, now=now) for rule, finding in _some(now))


def _some(now: datetime) -> Iterator[tuple[HoldRule, Finding]]:
    """Findings that have led to nothing yet, the oldest first, and the first rule that marks each."""
    for rule in rules.in_force():
        for finding in waiting(rule, now=now).order_by("number")[:MOST_TRIED]:
            yield rule, finding


def waiting(rule: HoldRule, *, now: datetime) -> QuerySet[Finding]:
    """Findings of a rule's classes and scope, in scopes that enforce, with evidence from its
    signature on that holds."""
    since = rule.settled_at or now
    rows = Finding.objects.filter(
        proof.rests_on_it(since, now=now),
        state="open",
        rule__in=rule.classes,
        strength__gte=KEY,
        last_at__gte=max(since, now - LOOKED_BACK),
        identity__in=scopes.population(rule.scope, now=now).filter(mode="enforce").values("pk"),
        automatic_hold__isnull=True,
    )
    return rows.select_related("identity")


def _take(rule: HoldRule, finding: Finding, *, now: datetime) -> bool:
    """Whether it led to a hold or a question; not where its scope has just been taken back."""
    if finding.identity is None:
        return False
    identity = opening.locked([finding.identity.pk])[0]
    # What people say of it afterwards is told (settling.py).
    finding.refresh_from_db(fields=["state"])
    # A step back that was signed meanwhile is true, whatever the row says yet.
    modes_now.hold_back([identity], now=now)
    seen = proof.of([finding], rule.settled_at or now, now - proof.FRESH).get(finding.pk)
    stands = finding.state == "open" and identity.state != "retired"
    if not stands or identity.mode != "enforce" or not seen:
        return False
    thing = things.of([finding], {finding.pk: seen}, now=now)[finding.pk]
    case, item = incidents.about(identity, finding, thing, now=now)
    instead = _instead(rule, finding, identity, item, now=now)
    said, stopped = (instead.words, {}) if instead else _stop(case, item, now=now)
    row = AutomaticHold.objects.create(
        rule=rule,
        finding=finding,
        identity=identity,
        case=case,
        item=item,
        state="held" if stopped else "asked",
        words=said[:2_000],
        event_at=seen[0].at,
        event_id=seen[0].event,
        events=len(seen),
        strength=seen[0].strength,
        received_at=seen[0].received_at,
        found_at=max(finding.opened_at, min(one.received_at for one in seen)),
        decided_at=now,
        stopped=stopped,
    )
    row.refresh_from_db(fields=["number"])
    if instead is not None and instead.ends:
        rules.over(rule, instead.ends, by=COUNTERSIGN, now=now)
    _say(row, rule, finding, instead, now=now)
    return True


def _instead(
    rule: HoldRule, finding: Finding, identity: Identity, item: Item, *, now: datetime
) -> Instead | None:
    """Why a person is asked and nothing is held; None where it may be held."""
    standing = AutomaticHold.objects.filter(item=item, state="held").first()
    if standing is not None:
        return Instead(f"{standing} holds it already", quiet=True)
    if not replay.may_hold(rule.scope, identity):
        return Instead(f"{identity.name} is critical, and {rule} does not name critical identities")
    frozen = [one for one in freezes.ahead(identity, now=now) if one.since <= now]
    if frozen:
        return Instead(freezes.words(frozen[0]), tuple(one.asked for one in frozen))
    if outgoing.stopped():
        return Instead("all outgoing writes are stopped")
    before = AutomaticHold.objects.filter(
        identity=identity, finding__rule=finding.rule, finding__family=finding.family
    ).filter(Q(state="released") | Q(finding__state__in=["expected", "false"]))
    last = before.order_by("-number").first()
    if last is not None:
        return Instead(f"the same was held by {last} and released: it is not held again")
    if why := rules.over_its_limit(rule, now=now):
        return Instead(why, ends=why)
    return None


def _stop(case: Case, item: Item, *, now: datetime) -> tuple[str, dict[str, Any]]:
    """Hold the thing reversibly; the sentence of it, and what is to be known to let it go."""
    said = holds.hold(case, item, "revoke", None, now=now)
    stopped = {name: item.snapshot.pop(name) for name in MARKS if name in item.snapshot}
    item.carried_words = said[:2_000]
    item.save(update_fields=["snapshot", "carried_words"])
    return said, stopped


def _say(
    row: AutomaticHold, rule: HoldRule, finding: Finding, instead: Instead | None, *, now: datetime
) -> None:
    """Ledger and mails: who answers in the incident, and whom the rule and the freeze name."""
    case, of = row.case, f"{finding.key} ({RULES[finding.rule].lower()})"
    held = row.state == "held"
    if held:
        took = counted(round(row.took.total_seconds()), "second")
        words = f"{rule} held for {of}, {took} after it was found: {row.words}"
    else:
        words = f"{rule} held nothing for {of}, a person is asked: {row.words}"
    entries.note(
        case,
        act="hold.automatic" if held else "hold.asked",
        words=words[:1_000],
        by=COUNTERSIGN,
        now=now,
        data={
            "hold": row.key,
            "rule": rule.key,
            "finding": str(finding.pk),
            "item": str(row.item_id),
            "events": row.events,
        },
    )
    if instead is not None and instead.quiet:
        return
    asked: Sequence[Person] = () if instead is None else instead.persons
    reminders.tell(
        case,
        [rule.asked, *asked, *reminders.waiting_for(case, now=now)],
        # Hundreds of findings that meet the same obstacle in one incident are one mail.
        occasion=row.key if held else f"asked: {row.words[:200]}",
        subject="something was held by itself" if held else "decide whether it is held",
        body=f"{words[0].upper()}{words[1:]}.\n\n"
        + (
            f"Release it, or answer it in the case: {settings.BASE_URL}{row.url}"
            if held
            else "Nothing was held. Look at it now, and hold it where it has to be."
        ),
        now=now,
    )
