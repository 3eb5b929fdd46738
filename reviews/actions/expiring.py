"""Ends of attestations and of vendors' contracts: warned of at set times, and what happens at them.

Owns EndStep rows: each is done once for its end, however often or late the sweep runs. Whoever asks
our own decision endpoint is answered by the stored end itself; what is suspended here is the rest.
Nothing is suspended where a scope does not enforce, where what ends is critical, where the warning
reached nobody, or where the end fell into an outage: then a named person is told instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from evidence import ledger, nudge
from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.actions import revocations
from identities.models import Identity, Person
from reviews import persons, policies
from reviews.models import EndStep, Heartbeat, Notice

from . import attesting, modes_now, offers, opening

DAY = timedelta(days=1)
AT_ONCE = 100
NAMED = 20
# What has an end that comes. A draft is held then: it never was active.
LIVE = ("active", "draft")
# What ends, where an identity says when, and how a sentence calls it.
ENDS = {
    "attestation": ("expires_at", "its attestation"),
    "contract": ("contract_ends_at", "the vendor's contract"),
}


class Due(NamedTuple):
    """An end of one identity that has steps to be done, and the terms it is under."""

    identity: Identity
    what: str
    ends_at: datetime
    missing: list[int]  # days before, not done yet, most first; 0 is the end itself
    terms: attesting.Terms


def expire_next(*, now: datetime) -> bool:
    """Do what is due for a batch of identities; False when nothing is."""
    for what in ENDS:
        for rows, terms in attesting.all_terms(now=now):
            pks = _waiting(rows, what, terms, now=now)
            with transaction.atomic():
                if pks and _do(pks, what, terms, now=now):
                    return True
    return False


def _days(terms: attesting.Terms) -> tuple[int, ...]:
    return (*terms.says.warn_before_days, 0)


def _waiting(
    rows: QuerySet[Identity], what: str, terms: attesting.Terms, *, now: datetime
) -> list[UUID]:
    """Identities with a step that is due and not done, the earliest end first."""
    field, _ = ENDS[what]
    due = Q()
    for days in _days(terms):
        done = EndStep.objects.filter(
            identity=OuterRef("pk"), what=what, ends_at=OuterRef(field), days=days
        )
        due |= Q(~Exists(done), **{f"{field}__lte": now + days * DAY})
    # The widest bound by itself, so that the partial index of ends is walked.
    near = {f"{field}__lte": now + max(_days(terms)) * DAY}
    live = rows.filter(state__in=LIVE, **near).exclude(mode="observe").filter(due)
    return list(live.order_by(field, "pk").values_list("pk", flat=True)[:AT_ONCE])


def _do(pks: Sequence[UUID], what: str, terms: attesting.Terms, *, now: datetime) -> bool:
    """Whether any step was done: none is where rows have yet to follow a step back to observe."""
    found, late = [], []
    known: dict[tuple[UUID, datetime], set[int]] = {}
    for step in EndStep.objects.filter(identity__in=pks, what=what):
        known.setdefault((step.identity_id, step.ends_at), set()).add(step.days)
    identities = opening.locked(pks)
    modes_now.hold_back(identities, now=now)
    for identity in identities:
        ends_at: datetime | None = getattr(identity, ENDS[what][0])
        if identity.state not in LIVE or identity.mode == "observe" or ends_at is None:
            continue
        done = known.get((identity.pk, ends_at), set())
        missing = [
            days for days in _days(terms) if ends_at - days * DAY <= now and days not in done
        ]
        if 0 in done:
            # The end has had its step already; what is warned of earlier came into the policy since.
            late.append(Due(identity, what, ends_at, missing, terms))
        elif missing:
            found.append(Due(identity, what, ends_at, missing, terms))
    there = _there([one.identity for one in found], now=now)
    told: dict[UUID, tuple[Person, list[Due]]] = {}
    steps = [_step(one, days, "over", "", now=now) for one in late for days in one.missing]
    # After an outage in the order in which they ended, as the ledger is read; rows are locked in
    # that of their ids.
    found.sort(key=lambda one: one.ends_at)
    steps += _end_all([one for one in found if one.missing[-1] == 0], there, now=now)
    for one in found:
        if one.missing[-1] != 0:
            names = there[one.identity.pk].first
            for person in names:
                told.setdefault(person.pk, (person, []))[1].append(one)
            said = f"warned: {', '.join(person.name for person in names[:5])}"
            steps.append(_step(one, one.missing[-1], "warned", said if names else NOBODY, now=now))
        steps += [_step(one, days, "over", "", now=now) for days in one.missing[:-1]]
    EndStep.objects.bulk_create(steps, ignore_conflicts=True)
    _warn(told.values(), now=now)
    ledger.append_all([_entry(one, now=now) for one in steps if one.did == "warned"])
    return bool(steps)


NOBODY = "nobody is there to be warned"
ASKED = "nothing was cut, and somebody decides"
STOPPED = {"suspended": "suspended", "held": "held, because a draft is not suspended"}


def _step(one: Due, days: int, did: str, words: str, *, now: datetime) -> EndStep:
    return EndStep(
        identity=one.identity,
        what=one.what,
        ends_at=one.ends_at,
        days=days,
        did=did,
        done_at=now,
        words=words,
    )


class There(NamedTuple):
    """Who is there: whom a warning goes to, and who is told when nobody has renewed."""

    first: list[Person]
    above: list[Person]


def _there(identities: Sequence[Identity], *, now: datetime) -> dict[UUID, There]:
    named = {
        one.pk: [one.owner_id, one.backup_id, one.sponsor_id]
        + ([] if one.service is None else [one.service.owner_id, one.service.ai_owner_id])
        for one in identities
    }
    of = persons.of_parties((one for parties in named.values() for one in parties), now=now)
    found = {}
    roles: list[Person] | None = None
    for pk, parties in named.items():
        present = [of[party] for party in parties if party is not None and of.get(party)]
        first = present[0] if present else []
        above = [person for some in present for person in some]
        if not above:
            roles = persons.above(now=now)[:10] if roles is None else roles
            above = roles
        found[pk] = There(first or above, list({one.pk: one for one in above}.values()))
    return found


def occasion(now: datetime) -> str:
    """What the warnings of one day have in common: one message a day to each person."""
    return f"ends {now:%Y-%m-%d}"


def _warn(told: Iterable[tuple[Person, list[Due]]], *, now: datetime) -> None:
    rows = []
    for person, dues in told:
        lines = [
            f"{one.identity.key}: {ENDS[one.what][1]} ends on {one.ends_at:%Y-%m-%d %H:%M} UTC"
            for one in sorted(dues, key=lambda one: one.ends_at)[:NAMED]
        ]
        if len(dues) > NAMED:
            lines.append(f"and {counted(len(dues) - NAMED, 'more end', 'more ends')}")
        rows.append(
            Notice(
                person=person,
                channel="mail",
                subject=f"Renew what you answer for: {counted(len(dues), 'end')} ahead",
                body="\n".join([*lines, "", f"{settings.BASE_URL}/owned/", ""]),
                occasion=occasion(now),
                created_at=now,
                not_before=now,
            )
        )
    if rows:
        Notice.objects.bulk_create(rows, ignore_conflicts=True)
        nudge.after_commit("notice.written")


def _entry(step: EndStep, *, now: datetime) -> ledger.Said:
    return ledger.Said(
        at=now,
        recorded_at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act="end.warned",
        subject=step.identity.key,
        words=f"{ENDS[step.what][1].capitalize()} ends on {step.ends_at:%Y-%m-%d %H:%M} UTC:"
        f" {step.words}"[:1_000],
        data={"identity": str(step.identity.pk), "what": step.what, "days": step.days},
        sealed_case=None,
    )


def _end_all(those: Sequence[Due], there: Mapping[UUID, There], *, now: datetime) -> list[EndStep]:
    """These ends have come and nobody has renewed: suspended, or named persons are told why not."""
    why_not = _why_not_suspend(those, there)
    asks = [
        revocations.Ask(one.identity, "suspend", _because(one))
        for one, why in zip(those, why_not, strict=True)
        if not why
    ]
    # Nothing of them works, at our door and, by holding their keys, at the target.
    suspended = iter(revocations.suspend_all_with_keys(asks, by=COUNTERSIGN, now=now))
    steps, said, mails = [], [], []
    for one, why in zip(those, why_not, strict=True):
        did, words = "escalated", why
        if not why:
            came = next(suspended)
            words = str(came)
            if isinstance(came, str):
                did = "held" if one.identity.state == "draft" else "suspended"
        above = there[one.identity.pk].above
        began = f"{ENDS[one.what][1].capitalize()} ended on {one.ends_at:%Y-%m-%d %H:%M} UTC: "
        names = ", ".join(person.name for person in above[:10]) or "nobody is there"
        happened = STOPPED.get(did, f"nothing is cut, {words}; told: {names}")
        text = began + (f"{happened}; {words}" if did in STOPPED else happened)
        said.append(_ended(one, did, text, words, now=now))
        mails += offers.notices(
            above,
            one.identity,
            occasion=f"{one.what} ended {one.ends_at.isoformat()}",
            subject="it has ended",
            body=began + (f"it is {STOPPED[did]}" if did in STOPPED else ASKED) + ".",
            now=now,
        )
        steps.append(_step(one, 0, did, text[:1_000], now=now))
    ledger.append_all(said)
    offers.send(mails)
    return steps


def _ended(one: Due, did: str, text: str, why: str, *, now: datetime) -> ledger.Said:
    return ledger.Said(
        at=one.ends_at,
        recorded_at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act=f"end.{did}",
        subject=one.identity.key,
        words=text[:1_000],
        data={"identity": str(one.identity.pk), "what": one.what, "why": why},
    )


def why_only_told(identity: Identity, terms: attesting.Terms) -> str:
    """Why the end of this identity would suspend nothing, as it stands: the same words before it
    (the page on which it is renewed) and at it; "" where it would."""
    if terms.says.at_end == "escalate":
        return f"because {terms.policy} only tells"
    if identity.mode != "enforce":
        return f"because {identity.name} is in {identity.mode} mode"
    if identity.criticality == "critical":
        return "because what is critical is never cut by a clock"
    if identity.kind == "integration":
        return "because silence cuts nothing of an external integration"
    return ""


def _why_not_suspend(those: Sequence[Due], there: Mapping[UUID, There]) -> list[str]:
    """Why the clock suspends nothing here, as part of a sentence; "" when it does."""
    if not those:
        return []
    warned: dict[tuple[UUID, str, datetime], set[str]] = {}
    rows = EndStep.objects.filter(identity__in=[one.identity.pk for one in those], did="warned")
    for pk, what, ends_at, done_at in rows.values_list("identity", "what", "ends_at", "done_at"):
        warned.setdefault((pk, what, ends_at), set()).add(occasion(done_at))
    people = {person.pk for one in those for person in there[one.identity.pk].first}
    occasions = {one for names_ in warned.values() for one in names_}
    sent: dict[tuple[UUID | None, str], list[datetime]] = {}
    notices = Notice.objects.filter(
        person__in=people, occasion__in=occasions, sent_at__isnull=False
    ).values_list("person", "occasion", "sent_at")
    for person, name, at in notices:
        if at is not None:
            sent.setdefault((person, name), []).append(at)
    since = min(one.ends_at for one in those) - DAY
    beats = Heartbeat.objects.filter(until__gte=since).order_by("since")
    at_work = list(beats.values_list("since", "until"))
    found = []
    for one in those:
        why = (
            "because a contract's end cuts nothing by itself"
            if one.what == "contract"
            else why_only_told(one.identity, one.terms)
        )
        names = warned.get((one.identity.pk, one.what, one.ends_at), set())
        reached = any(
            at <= one.ends_at
            for person in there[one.identity.pk].first
            for name in names
            for at in sent.get((person.pk, name), ())
        )
        if not why and not reached:
            why = "because no warning had reached who answers for it"
        then = [(begin, until) for begin, until in at_work if until >= one.ends_at - DAY]
        if not why and policies.away(one.ends_at, then) is not None:
            why = "because it ended while Countersign was not at work"
        found.append(why)
    return found


def _because(one: Due) -> str:
    return f"its attestation ended on {one.ends_at:%Y-%m-%d %H:%M} UTC and nobody renewed it"
