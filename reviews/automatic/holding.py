"""The hold that goes out by itself: some findings, one transaction, by the ordinary road.

Owns when a finding of a marked class holds, and when a person is asked instead. The rows, the
incidents, their items and revocations are written together or not at all, so a worker that is killed
has held nothing, and the next one begins anew; what is sent is the ordinary worker's. Of one
identity a turn takes one finding, because the next one joins its incident.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from evidence.vocabulary import KEY
from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.actions import outgoing
from identities.actions.findings import OPEN
from identities.findings import RULES
from identities.models import Finding, Person
from reviews import freezes
from reviews.actions import entitled, entries, holds, modes_now, opening, reminders
from reviews.actions.asked import Asked
from reviews.models import AutomaticHold, Case, Freeze, HoldRule, Item

from . import incidents, proof, replay, rules, scopes, things

# Where holds.hold says in an item's snapshot what it stopped; kept on the hold's own row instead,
# because looking at an item again makes its snapshot anew.
MARKS = ("held", "suspended", entitled.ALLOWED)
# Of findings, a bound on what an index is walked for.
LOOKED_BACK = timedelta(days=1)
# Held together; what is asked of a target goes out when all of these are written.
AT_ONCE = 25
# Of each rule in one turn, where many are of one identity or of a scope just taken back.
MOST_TRIED = 100


class Instead(NamedTuple):
    """Why nothing is held, and who is asked beside whom the rule names."""

    words: str
    persons: tuple[Person, ...] = ()
    ends: str = ""  # why the rule is over with it
    quiet: bool = False  # people were told of the same already


class Stopped(NamedTuple):
    """What was done in a sentence, and what is to be known to let it go; {}: it could not be held."""

    words: str
    stopped: dict[str, Any]


class Waiting(NamedTuple):
    """A finding that stands, and the newest events that it holds on."""

    about: incidents.About
    seen: Sequence[proof.Seen]


def hold_next(*, now: datetime) -> bool:
    """Hold for some findings, or ask a person instead; False when none waits."""
    if not HoldRule.objects.filter(state="in_force").exists():
        return False
    with transaction.atomic():
        rules.one_at_a_time()
        return any(_take(rule, now=now) for rule in rules.in_force())


def waiting(rule: HoldRule, *, now: datetime) -> QuerySet[Finding]:
    """Findings of a rule's classes and scope, in scopes that enforce, with evidence from its
    signature on that holds."""
    since = rule.settled_at or now
    rows = Finding.objects.filter(
        proof.rests_on_it(since, now=now),
        state__in=OPEN,
        rule__in=rule.classes,
        strength__gte=KEY,
        last_at__gte=max(since, now - LOOKED_BACK),
        identity__in=scopes.population(rule.scope, now=now).filter(mode="enforce").values("pk"),
        automatic_hold__isnull=True,
    )
    return rows.select_related("identity")


def _take(rule: HoldRule, *, now: datetime) -> bool:
    """Whether some of what waits led to a hold or a question, the oldest first; not where its scope
    has just been taken back."""
    room = rules.room(rule, now=now)
    # No more than its limits leave; where that is nothing, the next one ends the rule.
    found = list(waiting(rule, now=now).order_by("number")[:MOST_TRIED])
    those = _standing(rule, found, now=now)[: min(AT_ONCE, room.left or 1)]
    if not those:
        return False
    cases = incidents.about_all([one.about for one in those], now=now)
    instead = _instead(rule, those, [item for _, item in cases], room, now=now)
    pairs = zip(cases, instead, strict=True)
    held = iter(_stop([pair for pair, why in pairs if why is None], now=now))
    rows = AutomaticHold.objects.bulk_create(
        _row(rule, one, pair, why or next(held), now=now)
        for one, pair, why in zip(those, cases, instead, strict=True)
    )
    numbers = dict(
        AutomaticHold.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", "number")
    )
    for row in rows:
        row.number = numbers[row.pk]
    for why in instead:
        if why is not None and why.ends:
            rules.over(rule, why.ends, by=COUNTERSIGN, now=now)
    _say(rule, list(zip(rows, instead, strict=True)), now=now)
    return True


def _standing(rule: HoldRule, findings: Sequence[Finding], *, now: datetime) -> list[Waiting]:
    """Of these, with the identities locked, what still stands: one of each identity."""
    first: dict[UUID, Finding] = {}
    for one in findings:
        if one.identity_id is not None:
            first.setdefault(one.identity_id, one)
    identities = {one.pk: one for one in opening.locked(first)}
    # What people say of it afterwards is told (settling.py).
    states = dict(
        Finding.objects.filter(pk__in=[one.pk for one in first.values()]).values_list("pk", "state")
    )
    # A step back that was signed meanwhile is true, whatever the row says yet.
    modes_now.hold_back(identities.values(), now=now)
    there = [
        one
        for pk, one in first.items()
        if states.get(one.pk) in OPEN
        and identities[pk].state != "retired"
        and identities[pk].mode == "enforce"
    ]
    seen = proof.of(there, rule.settled_at or now, now - proof.FRESH)
    of = things.of(there, seen, now=now)
    return [
        Waiting(incidents.About(identities[one.identity_id], one, of[one.pk]), seen[one.pk])
        for one in there
        if one.identity_id is not None and one.pk in seen
    ]


def _row(
    rule: HoldRule,
    waiting: Waiting,
    pair: tuple[Case, Item],
    did: Instead | Stopped,
    *,
    now: datetime,
) -> AutomaticHold:
    (identity, finding, _), seen, (case, item) = waiting.about, waiting.seen, pair
    return AutomaticHold(
        rule=rule,
        finding=finding,
        identity=identity,
        case=case,
        item=item,
        state="held" if isinstance(did, Stopped) and did.stopped else "asked",
        words=did.words[:2_000],
        event_at=seen[0].at,
        event_id=seen[0].event,
        events=len(seen),
        strength=min(one.strength for one in seen),
        received_at=seen[0].received_at,
        found_at=max(finding.opened_at, min(one.received_at for one in seen)),
        decided_at=now,
        stopped=did.stopped if isinstance(did, Stopped) else {},
    )


def _instead(
    rule: HoldRule,
    those: Sequence[Waiting],
    items: Sequence[Item],
    room: rules.Room,
    *,
    now: datetime,
) -> list[Instead | None]:
    """Why a person is asked and nothing is held; None where it may be held."""
    pks = [one.about.identity.pk for one in those]
    held = AutomaticHold.objects.filter(item__in=items, state="held")
    standing = {one.item_id: one for one in held}
    ahead = Freeze.objects.filter(state="in_force", since__lte=now, until__gt=now)
    frozen = freezes.of(
        pks, list(ahead.select_related("asked").order_by("since", "number")), now=now
    )
    stopped = outgoing.stopped()
    released = AutomaticHold.objects.filter(
        Q(state="released") | Q(finding__state__in=["expected", "false"]), identity__in=pks
    ).select_related("finding")
    before = {
        (one.identity_id, one.finding.rule, one.finding.family): one
        for one in released.order_by("number")
    }
    found = list[Instead | None]()
    for (identity, finding, _), item in zip((one.about for one in those), items, strict=True):
        why: Instead | None = None
        last = before.get((identity.pk, finding.rule, finding.family))
        if item.pk in standing:
            why = Instead(f"{standing[item.pk]} holds it already", quiet=True)
        elif not replay.may_hold(rule.scope, identity):
            why = Instead(
                f"{identity.name} is critical, and {rule} does not name critical identities"
            )
        elif identity.pk in frozen:
            those_frozen = frozen[identity.pk]
            asked = tuple(one.asked for one in those_frozen)
            why = Instead(freezes.words(those_frozen[0]), asked)
        elif stopped:
            why = Instead("all outgoing writes are stopped")
        elif last is not None:
            why = Instead(f"the same was held by {last} and released: it is not held again")
        elif not room.left:
            why = Instead(room.words, ends=room.words)
        found.append(why)
    return found


def _stop(those: Sequence[tuple[Case, Item]], *, now: datetime) -> list[Stopped]:
    """Hold these things reversibly; of each the sentence, and what is to be known to let it go."""
    keys = [pair for pair in those if pair[1].kind == "credential"]
    said = dict(zip((item.pk for _, item in keys), holds.hold_keys(keys, now=now), strict=True))
    found = []
    for case, item in those:
        words = said.get(item.pk) or holds.hold(case, item, "revoke", None, now=now)
        stopped = {name: item.snapshot.pop(name) for name in MARKS if name in item.snapshot}
        item.carried_words = words[:2_000]
        found.append(Stopped(words, stopped))
    Item.objects.bulk_update([item for _, item in those], ["snapshot", "carried_words"])
    return found


def _say(
    rule: HoldRule, rows: Sequence[tuple[AutomaticHold, Instead | None]], *, now: datetime
) -> None:
    """Ledger and mails: who answers in the incident, and whom the rule and the freeze name."""
    asked = Asked([row.case for row, _ in rows], now=now)
    acts, mails = [], []
    for row, instead in rows:
        held, of = row.state == "held", f"{row.finding.key} ({RULES[row.finding.rule].lower()})"
        if held:
            took = counted(round(row.took.total_seconds()), "second")
            words = f"{rule} held for {of}, {took} after it was found: {row.words}"
        else:
            words = f"{rule} held nothing for {of}, a person is asked: {row.words}"
        data = {
            "hold": row.key,
            "rule": rule.key,
            "finding": str(row.finding_id),
            "item": str(row.item_id),
            "events": row.events,
        }
        act = "hold.automatic" if held else "hold.asked"
        acts.append(entries.Said(row.case, act, words[:1_000], data))
        if instead is not None and instead.quiet:
            continue
        persons = () if instead is None else instead.persons
        mails += reminders.notices(
            row.case,
            [rule.asked, *persons, *asked.waiting_for(row.case)],
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
    entries.note_all(acts, by=COUNTERSIGN, now=now)
    reminders.send(mails)
