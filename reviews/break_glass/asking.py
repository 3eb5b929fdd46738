"""Asking for break-glass: what a request says, who is asked, and until when.

Owns the request's shape: reason, ticket, time, and that it stays within its bundle. Nothing is in
force before it is signed or opened alone (opening.py).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction

from identities import authority
from identities.actions import grants
from identities.enforcers.contract import Permission
from identities.judging.verdicts import grant_of
from identities.models import Delegation, DelegationVersion, Identity, Party, Person, Team, User
from identities.permissions import NotAllowed, NotPossible, require
from identities.reasons import reason_given
from reviews import persons
from reviews.actions import entries, narrowing
from reviews.break_glass import bundles, on_call, owed_tickets, quorum, rights, telling
from reviews.break_glass.document import Document
from reviews.models import BreakGlass, Bundle, Case, Item, Seat
from reviews.notices import tickets
from reviews.notices.failures import Permanent, Temporary
from reviews.permissions import NOBODY

LATEST_START = timedelta(days=14)
KEY = re.compile(r"NHI-0*([1-9]\d{0,14})")
VOUCHING = 30_000  # from this place on: whoever may vouch, and nobody signs


class Wanted(NamedTuple):
    """What is asked for. `actions`, `resources`: less than the bundle gives; empty: all of it."""

    slug: str
    minutes: int
    reason: str
    fields: Mapping[str, str] = {}
    identity: str = ""
    on_behalf: str = ""
    actions: Sequence[str] = ()
    resources: Sequence[str] = ()
    ticket: str = ""
    starts_at: datetime | None = None
    incident: Case | None = None
    drill: bool = False


class Ticket(NamedTuple):
    """What is known of a ticket: its number, until when a promised one is due, in words, and when
    its tracker, which did not answer, is asked again."""

    number: str
    due_at: datetime | None
    words: str
    look_at: datetime | None = None


def ask(*, wanted: Wanted, by: User, now: datetime) -> Case:
    """Ask: the case is open, and whoever may sign is told. NotAllowed, NotPossible."""
    bundle = bundles.in_force(wanted.slug.strip().lower())
    if bundle is None:
        raise NotPossible(f"There is no bundle {wanted.slug[:60]!r}.")
    require(rights.why_not_ask(by, bundle, now=now))
    if by.person is None:
        raise NotAllowed(NOBODY)
    says = rights.document_of(bundle)
    reason = reason_given(wanted.reason, what="what has to be done, and why now")
    fields = _shaped(reason, wanted.fields, says)
    starts, ends, minutes = _times(wanted, says, now=now)
    holder = holder_of(by, says, wanted.identity)
    narrower = _within(wanted, says)
    # Asked of another system, which may be slow: before any row is locked.
    ticket = _ticket(wanted, says, now=now)
    why = grants.why_not(what(bundle, says, narrower), starts_at=starts, ends_at=ends)
    if why:
        raise NotPossible(why)
    with transaction.atomic():
        # One person's requests follow each other: the second of a form sent twice meets the first.
        Person.objects.select_for_update().get(pk=by.person.pk)
        _not_asked_twice(by, bundle)
        version = _proposal(holder, narrower, wanted, (starts, ends), by=by, now=now)
        case = _case(says, holder, reason, by=by, now=now)
        glass = BreakGlass.objects.create(
            case=case,
            bundle=bundle,
            asker=by,
            person=by.person,
            on_behalf=wanted.on_behalf.strip()[:200],
            incident=wanted.incident,
            delegation=version.delegation,
            minutes=minutes,
            starts_at=wanted.starts_at and starts,
            fields=fields,
            drill=wanted.drill,
            ticket=ticket.number,
            ticket_due_at=ticket.due_at,
            ticket_look_at=ticket.look_at,
            patience_at=now + timedelta(minutes=says.patience_minutes),
            alone_at=now + timedelta(minutes=_alone(says)),
        )
        _item(case, version, minutes, says)
        _seats(case, says.quorum, by=by, now=now)
        entries.note(
            case,
            act="break_glass.asked",
            words=f"{by.called} asked for {minutes} min of {says.words}{ticket.words}: {reason}"[
                :1_000
            ],
            by=by,
            now=now,
            data={
                "bundle": str(bundle),
                "delegation": version.delegation.key,
                "actions": list(version.actions),
                "resources": list(version.resources),
                "minutes": minutes,
                "on_behalf": glass.on_behalf,
                "drill": wanted.drill,
                "ticket": ticket.number,
                "fields": fields,
            },
        )
        entries.changed(case)
        telling.asked(case, glass, now=now)
    return case


def what(bundle: Bundle, says: Document, grant: authority.Grant) -> grants.What:
    """What the target is to give, in the words of identities/actions/grants."""
    target = says.target
    return grants.What(
        system=target.system,
        account=target.account,
        kind=target.kind,
        name=target.name,
        permissions=(Permission(tuple(grant.actions), tuple(grant.resources)),),
        extra=dict(target.extra),
        bundle=bundle.slug,
        bundle_version=bundle.version,
        words=f"{says.words}, {target.kind} {target.name}"[:200],
    )


def holder_of(by: User, says: Document, named: str) -> Identity:
    """Who acts with it: the bundle's own identity, else the one that is named and is the asker's,
    else the human that the asker is. NotPossible."""
    if says.number is not None:
        row = Identity.objects.filter(number=says.number).first()
    elif named.strip():
        number = KEY.fullmatch(named.strip().upper())
        rows = Identity.objects.filter(number=int(number[1])) if number else None
        row = (rows if rows is not None else Identity.objects.filter(name=named.strip())).first()
        mine = {one.pk for one in persons.are(by)}
        if row is None or (row.kind == "human" and row.pk not in mine):
            raise NotPossible(f"No identity that you could act as is called {named[:64]!r}.")
    else:
        row = persons.are(by).exclude(state="retired").order_by("number").first()
    if row is None or row.state == "retired":
        raise NotPossible(
            "No identity of yours is known, so nobody could say afterwards what you did with it:"
            " name the identity that acts (NHI-…), or let an administrator register you."
        )
    return row


def expected(says: Document, by: User, *, now: datetime) -> str:
    """Why nobody can carry a request of this person, in a sentence; "" where somebody can."""
    asker = rights.asker_of(by.person_id, now=now)
    able = rights.able(says.quorum, now=now, but=by.person_id)
    if quorum.carried(says.quorum, able, asker=asker) is not None:
        return ""
    return (
        f"Nobody can sign this for you now ({says.quorum.words()}; never you, never only your own"
        f" team): after {says.patience_minutes} min you may open it alone."
    )


def _alone(says: Document) -> int:
    """Minutes after which a dearer bypass needs nobody else: before the request ends."""
    patience = says.patience_minutes
    return min(2 * patience, (patience + says.unanswered_minutes) // 2)


def _shaped(reason: str, given: Mapping[str, str], says: Document) -> dict[str, str]:
    """What the reason has to say by name; NotPossible where it says less than its bundle asks."""
    if len(reason) < says.reason.least:
        raise NotPossible(
            f"Say why in at least {says.reason.least} characters: whoever signs reads only this."
        )
    fields = {}
    for name in says.reason.fields:
        said = str(given.get(name, "")).strip()
        if not said or "\0" in said or len(said) > 500:
            raise NotPossible(f"Say the {name}: a text of 1 to 500 characters.")
        fields[name] = said
    return fields


def _times(wanted: Wanted, says: Document, *, now: datetime) -> tuple[datetime, datetime, int]:
    if not 1 <= wanted.minutes <= says.cap_minutes:
        raise NotPossible(f"It is given for 1 to {says.cap_minutes} minutes.")
    starts = wanted.starts_at or now
    if starts > now + LATEST_START:
        raise NotPossible(f"It begins at most {LATEST_START.days} days ahead.")
    starts = max(starts, now)
    return starts, starts + lasting(says, wanted.minutes), wanted.minutes


def lasting(says: Document, minutes: int) -> timedelta:
    """How long it is in force at most: with a clock from first use, the wait for that as well."""
    waits = says.use_within_minutes if says.clock == "first_use" else 0
    return timedelta(minutes=minutes + waits)


def _within(wanted: Wanted, says: Document) -> authority.Grant:
    """The bundle, or the part of it that is asked for; of a free one there is no other way."""
    if says.free and not (_said(wanted.actions) and _said(wanted.resources)):
        raise NotPossible("Say which actions, and on which resources: only what is named is given.")
    whole = authority.Grant("the bundle", 1, says.actions, says.resources)
    return narrowed(whole, wanted.actions, wanted.resources)


def _said(patterns: Sequence[str]) -> list[str]:
    return [one.strip() for one in patterns if one.strip()]


def narrowed(
    before: authority.Grant, actions: Sequence[str], resources: Sequence[str]
) -> authority.Grant:
    """This grant with less of it; empty: as it is. NotPossible where it would be wider."""
    left = {
        "actions": _said(actions) or list(before.actions),
        "resources": _said(resources) or list(before.resources),
    }
    found = narrowing.problems(before, left)
    if found:
        said = "; ".join(f"{one.pattern} {one.words}".strip() for one in found)
        raise NotPossible(f"It can be less than {before.key}, never more: {said[:600]}.")
    return narrowing.narrowed(before, left)


def _ticket(wanted: Wanted, says: Document, *, now: datetime) -> Ticket:
    number, rule = wanted.ticket.strip()[:100], says.ticket
    if "\0" in number:
        raise NotPossible("The ticket holds a character that cannot be stored (NUL).")
    promised = Ticket(number, now + timedelta(hours=rule.hours), f", ticket within {rule.hours} h")
    if rule.how == "none" or (rule.how == "promised" and number):
        return Ticket(number, None, f", ticket {number}" if number else "")
    if rule.how == "promised":
        return promised
    if not number:
        raise NotPossible("Name its ticket: it is looked up while you ask.")
    try:
        said = tickets.look_up(rule.hook, number)
    except Permanent as problem:
        raise NotPossible(f"The ticket {number} is not taken: {problem}.") from None
    except Temporary as problem:
        # A tracker that is down bolts no door: the ticket is owed.
        words = f", ticket {number} not looked up ({problem}), owed"
        return promised._replace(words=words, look_at=now + owed_tickets.EVERY)
    return Ticket(number, None, f", ticket {number} ({said})")


def _not_asked_twice(by: User, bundle: Bundle) -> None:
    asked = BreakGlass.objects.filter(
        person=by.person, bundle__slug=bundle.slug, case__state__in=["open", "decided"]
    ).select_related("case")
    if found := asked.first():
        raise NotPossible(f"You have asked for it already, in {found.case.key}.")


def _proposal(
    holder: Identity,
    grant: authority.Grant,
    wanted: Wanted,
    during: tuple[datetime, datetime],
    *,
    by: User,
    now: datetime,
) -> DelegationVersion:
    row = Delegation(grantee=holder, grantor=holder.sponsor or holder.owner, created_at=now)
    row.save(force_insert=True)
    row.refresh_from_db(fields=["number"])
    version = DelegationVersion.objects.create(
        delegation=row,
        version=1,
        state="proposed",
        actions=list(grant.actions),
        resources=list(grant.resources),
        purpose=f"break-glass: {wanted.reason.strip()}"[:500],
        during=during,
        recorded_at=now,
        by=by.ref,
    )
    version.refresh_from_db()
    try:
        authority.compile_slice("request", [grant_of(version)])
    except authority.AuthorityError as problem:
        raise NotPossible(f"{problem}.".replace("..", ".")) from problem
    return version


def _case(says: Document, holder: Identity, reason: str, *, by: User, now: datetime) -> Case:
    case = Case(
        door="break_glass",
        state="open",
        title=f"Break-glass: {says.words}"[:200],
        identity=holder,
        opened_at=now,
        opened_by=by.ref,
        opened_by_name=by.called,
        requester=by.person,
        reason=reason,
        deadline_at=now + timedelta(minutes=says.unanswered_minutes),
        # Nothing comes into force by silence; who asked may open it alone.
        silence="deny",
        legal_entity=holder.legal_entity,
    )
    case.save(force_insert=True)
    case.refresh_from_db(fields=["number"])
    return case


def _item(case: Case, version: DelegationVersion, minutes: int, says: Document) -> None:
    Item.objects.create(
        case=case,
        position=0,
        kind="grant",
        ref=version.delegation_id,
        title=f"{says.words}, {minutes} min"[:500],
        note=f"{says.target.kind} {says.target.name} in {says.target.system} {says.target.account}",
        proposal={
            "version": version.version,
            "actions": list(version.actions),
            "resources": list(version.resources),
            "minutes": minutes,
        },
    )


def _seats(case: Case, rule: quorum.Rule, *, by: User, now: datetime) -> None:
    """A seat for each place, so that it is in the queue of a team's members or of who has the role;
    and, where opening it alone is dearer, one for whoever stands above and for duty managers."""
    teams = Team.objects.filter(name__in={one.name for one in rule.places() if one.of == "team"})
    parties = {one.name: Party.objects.get_or_create(team=one)[0] for one in teams}
    rows: list[dict[str, Any]] = [
        {"party": parties[place.name], "place": number}
        if place.of == "team"
        # Without a party and a role a seat is any reviewer's, as at the other doors.
        else {"role": "" if place.name == "reviewer" else place.name, "place": number}
        for number, place in enumerate(rule.places())
    ]
    if rights.dearer_because(case, by, now=now):
        vouching = [] if by.person is None or by.person.manager is None else [by.person.manager]
        above: list[dict[str, Any]] = [{"person": one} for one in vouching]
        above += [{"team": one} for one in Team.objects.filter(name__in=on_call.duty_teams())]
        rows += [
            {"party": Party.objects.get_or_create(**one)[0], "place": VOUCHING + number}
            for number, one in enumerate(above)
        ]
    for position, row in enumerate(rows):
        Seat.objects.create(case=case, kind="second", position=position, since=now, **row)
