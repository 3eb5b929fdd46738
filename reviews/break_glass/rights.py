"""Who may ask for break-glass, sign it, open it alone, end it and look back at it; and why not.

Owns the `why_not_…` sentences and who somebody is for a quorum at this moment. Independence is
judged on persons: who asked signs nothing of it, neither does its subject.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from identities.models import Membership, Person, User
from identities.permissions import AUDITOR, INACTIVE, LEFT, cannot_decide, cannot_sign, groups
from reviews import permissions
from reviews.break_glass import document, factors, on_call, quorum
from reviews.break_glass.quorum import Signer
from reviews.models import BreakGlass, Bundle, Case, Decision, Item
from reviews.permissions import NOBODY

CHANGING = frozenset({"reviewer", "administrator"})
WHO = "Only a reviewer or an administrator may change what break-glass gives."
# Whoever contains may take it away as well.
ENDING = frozenset({"responder", "administrator"})


def document_of(bundle: Bundle) -> document.Document:
    return document.parse(bundle.document)


def signers(persons: Iterable[UUID], *, now: datetime) -> list[Signer]:
    """Those of these persons who may sign at all at `now`, with their teams and roles."""
    wanted = set(persons)
    roles: dict[UUID, set[str]] = {}
    there = Q(person__left_at__isnull=True) | Q(person__left_at__gt=now)
    logins = User.objects.filter(there, person__in=wanted, is_active=True)
    for person, superuser, group in logins.exclude(groups__name="auditor").values_list(
        "person", "is_superuser", "groups__name"
    ):
        if person is not None:
            found = roles.setdefault(person, set())
            found |= {one for one in (group, "administrator" * superuser) if one}
    teams: dict[UUID, set[str]] = {}
    for person, team in Membership.objects.filter(
        person__in=roles, during__contains=now, superseded_at__isnull=True
    ).values_list("person", "team__name"):
        teams.setdefault(person, set()).add(team)
    return [
        Signer(one, frozenset(teams.get(one, ())), frozenset(found)) for one, found in roles.items()
    ]


def able(rule: quorum.Rule, *, now: datetime, but: UUID | None = None) -> list[Signer]:
    """Everybody who could fill a place of the rule, the asker included; `but`: the asker, who is
    nobody on call where a place asks for that."""
    named: dict[str, set[str]] = {"team": set(), "role": set()}
    for place in rule.places():
        named[place.of].add(place.name)
    persons = set(
        Membership.objects.filter(
            team__name__in=named["team"], during__contains=now, superseded_at__isnull=True
        ).values_list("person", flat=True)
    )
    in_roles = Q(groups__name__in=named["role"])
    if "administrator" in named["role"]:
        in_roles |= Q(is_superuser=True)
    persons |= {
        one for one in User.objects.filter(in_roles).values_list("person", flat=True) if one
    }
    found = _counting(signers(persons, now=now), rule, now=now, but=but)
    return [one for one in found if _fits(rule, one)]


def signed(rows: Iterable[Decision], *, now: datetime) -> list[Signer]:
    """Who gave these answers: of what they are at `now`, and on call as when they gave them."""
    were = {row.person_id: frozenset(row.proposal.get("on_call", ())) for row in rows}
    return [one._replace(on_call=were[one.person]) for one in signers(were, now=now)]


def on_call_as(user: User, case: Case, *, now: datetime) -> list[str]:
    """The teams for which this person counts as on call, for what a case asks for; by name."""
    rule = document_of(case.break_glass.bundle).quorum
    if not rule.teams_on_call():
        return []
    mine = signers([user.person_id] if user.person_id else [], now=now)
    found = _counting(mine, rule, now=now, but=case.requester_id)
    return sorted(found[0].on_call) if found else []


def _counting(
    found: list[Signer], rule: quorum.Rule, *, now: datetime, but: UUID | None
) -> list[Signer]:
    """These with the teams for which they count as on call: as the team's rota says, and all of a
    team where nobody is, or nobody but the asker."""
    wanted = rule.teams_on_call()
    if not wanted:
        return found
    there = {
        team: {one.person for one in those}
        for team, those in on_call.of_teams(wanted, now=now, but=but).items()
    }
    return [
        one._replace(
            on_call=frozenset(
                team
                for team in wanted & one.teams
                if team not in there or one.person in there[team]
            )
        )
        for one in found
    ]


def asker_of(person: UUID | None, *, now: datetime) -> Signer | None:
    """Who asked, whatever has become of their logins since."""
    if person is None:
        return None
    return next(iter(signers([person], now=now)), Signer(person))


def unreviewed(person: UUID | None, *, but: Case | None = None) -> BreakGlass | None:
    """The oldest bypass of this person that nobody has looked back at."""
    rows = BreakGlass.objects.filter(
        person=person, bypassed_at__isnull=False, reviewed_at__isnull=True
    )
    if but is not None:
        rows = rows.exclude(case=but)
    return rows.select_related("case").order_by("bypassed_at").first()


def waiting_item(case: Case) -> Item | None:
    """What its signatures are asked for now: the grant, or that it lasts longer."""
    return case.items.filter(outcome="").order_by("-position").first()


# --- bundles ---------------------------------------------------------------------------------


def why_not_propose_bundle(user: User, *, now: datetime) -> str | None:
    """Propose what can be given: never in force by one person."""
    return cannot_sign(user, CHANGING, WHO, now=now)


def why_not_sign_bundle(user: User, bundle: Bundle, *, now: datetime) -> str | None:
    """Put a proposed version in force: somebody else than who proposed it."""
    why = why_not_propose_bundle(user, now=now) or _why_not_open(bundle)
    if why is not None:
        return why
    if bundle.proposed_person_id == user.person_id:
        return "You proposed it: a second person signs."
    return None


def why_not_refuse_bundle(user: User, bundle: Bundle, *, now: datetime) -> str | None:
    """Refuse a proposed version; who proposed it may take it back the same way."""
    return why_not_propose_bundle(user, now=now) or _why_not_open(bundle)


def _why_not_open(bundle: Bundle) -> str | None:
    if bundle.state == "proposed":
        return None
    return f"{bundle} is {bundle.state.replace('_', ' ')} already, by {bundle.settled_by_name}."


# --- requests --------------------------------------------------------------------------------


def why_not_ask(user: User, bundle: Bundle, *, now: datetime) -> str | None:
    """Ask for what a bundle gives."""
    why = _why_not_act(user, now=now)
    if why is not None:
        return why
    says = document_of(bundle)
    if bundle.state != "in_force" or not says.offered:
        return f"{bundle.slug} is not offered: choose another one."
    who = says.who
    if not who.teams and not who.roles:
        return None
    mine = asker_of(user.person_id, now=now) or Signer(user.pk)
    if not mine.teams.isdisjoint(who.teams) or not mine.roles.isdisjoint(who.roles):
        return None
    return f"Only {', '.join([*who.teams, *who.roles])} may ask for {bundle.slug}."


def why_not_answer(user: User, case: Case, *, now: datetime) -> str | None:
    """Approve, shorten, deny or send back what waits for signatures."""
    why = _why_not_sign(user, case, now=now)
    if why is not None:
        return why
    glass = case.break_glass
    late = glass.bypassed_at is not None and case.state == "carrying_out"
    item = waiting_item(case)
    if item is None and late:
        item = case.items.get(position=0)
    if item is None or case.state not in ("open", "carrying_out"):
        return f"{case.key} is {_said(case)}: no signature is asked for now."
    if case.state == "open" and now >= case.deadline_at:
        return f"Nobody answered by {case.deadline_at:%H:%M:%S} UTC: it has to be asked for anew."
    if item.decisions.filter(superseded_at__isnull=True, person=user.person_id).exists():
        return "You have answered already."
    return None


def why_not_vouch(user: User, case: Case, *, now: datetime) -> str | None:
    """Stand beside somebody whose last bypass nobody has looked at, so that they may open it."""
    why = _why_not_apart(user, case, now=now)
    if why is not None:
        return why
    if case.state != "open":
        return f"{case.key} is {_said(case)}: nobody has to vouch for it."
    glass = case.break_glass
    if not dearer_because(case, glass.asker, now=now):
        return "No second person is needed: who asked opens it alone with their second factor."
    if glass.vouched_person is not None:
        return f"{glass.vouched_person.name} vouches for it already."
    return None


def why_not_bypass(user: User, case: Case, *, now: datetime) -> str | None:
    """Open it alone: who asked, once the patience is over. Never impossible, sometimes dearer."""
    why = _why_not_act(user, now=now) or _why_not_asker(user, case)
    if why is not None:
        return why
    if case.state != "open":
        return f"{case.key} is {_said(case)}: there is nothing to open."
    glass = case.break_glass
    if now >= case.deadline_at:
        return f"It ended unanswered at {case.deadline_at:%H:%M:%S} UTC: ask anew."
    if now < glass.patience_at:
        return f"Signatures are waited for until {glass.patience_at:%H:%M:%S} UTC."
    why = dearer_because(case, user, now=now)
    if not why or glass.vouched_person_id is not None or now >= glass.alone_at:
        return None
    return (
        f"{why[0].upper()}{why[1:]}: a second person vouches for this one, or you open it alone"
        f" from {glass.alone_at:%H:%M:%S} UTC."
    )


def why_not_go_without(user: User, case: Case, *, now: datetime) -> str | None:
    """Say that one cannot use one's second factor now: who asked, before it is open."""
    why = _why_not_act(user, now=now) or _why_not_asker(user, case)
    if why is not None:
        return why
    if case.state != "open":
        return f"{case.key} is {_said(case)}: no second factor is asked for."
    none = factors.why_none(case.break_glass, user, now=now)
    return f"No second factor is asked for: {none}." if none else None


def dearer_because(case: Case, user: User, *, now: datetime) -> str:
    """Why opening this alone takes a second person and is shorter, said to `user`; "": it is not."""
    before = unreviewed(case.requester_id, but=case)
    said = f"nobody has looked back at {before.case.key}, which you opened alone" if before else ""
    none = factors.why_none(case.break_glass, user, now=now)
    return ", and ".join(filter(None, (said, none)))


def why_not_give_back(user: User, case: Case, *, now: datetime) -> str | None:
    """End it early: who asked."""
    return _why_not_act(user, now=now) or _why_not_asker(user, case) or _why_not_live(case)


def why_not_cut_off(user: User, case: Case, *, now: datetime) -> str | None:
    """End it at once: anyone of the granting teams, a responder or an administrator. It only takes
    away, so also somebody who signed."""
    why = _why_not_act(user, now=now)
    if why is not None:
        return why
    rule = document_of(case.break_glass.bundle).quorum
    mine = signers([user.person_id] if user.person_id else [], now=now)
    if groups(user).isdisjoint(ENDING) and not any(_belongs(rule, one) for one in mine):
        return f"Only {rule.words()}, a responder or an administrator may cut it off."
    return _why_not_live(case)


def why_not_ask_longer(user: User, case: Case, *, now: datetime) -> str | None:
    """Ask once that it lasts longer; the same signatures as for the grant."""
    why = why_not_give_back(user, case, now=now)
    if why is not None:
        return why
    glass = case.break_glass
    if glass.longer_minutes is not None:
        return "It was asked to last longer once: ask for a new one."
    if glass.ends_at is not None and now >= glass.ends_at:
        return "Its time is over: ask for a new one."
    return None


def why_not_name_ticket(user: User, case: Case, *, now: datetime) -> str | None:
    """Name the ticket that was promised: who asked."""
    why = _why_not_act(user, now=now) or _why_not_asker(user, case)
    if why is not None:
        return why
    return None if case.break_glass.ticket_due_at is not None else "No ticket is owed."


def why_not_explain(user: User, case: Case, *, now: datetime) -> str | None:
    """Say why it was used: who used it, until somebody has looked back at it."""
    why = _why_not_act(user, now=now) or _why_not_asker(user, case)
    if why is not None:
        return why
    if case.break_glass.opened_at is None or case.state not in ("carrying_out", "in_review"):
        return f"{case.key} is {_said(case)}: there is nothing to explain."
    return None


def why_not_review(
    user: User, case: Case, *, now: datetime, mine: list[Signer] | None = None
) -> str | None:
    """Look back at a use: a reviewer or anyone of the granting teams, never who used it or vouched.
    `mine`: who the user is to a quorum at `now`, where that is known already."""
    why = _why_not_act(user, now=now) or cannot_decide(user)
    if why is not None:
        return why
    if user.person_id == case.requester_id:
        return "You used it: somebody else looks back at it."
    glass = case.break_glass
    if user.person_id == glass.vouched_person_id:
        return "You vouched for it: somebody else looks back at it."
    if mine is None:
        mine = signers([user.person_id] if user.person_id else [], now=now)
    rule = document_of(glass.bundle).quorum
    if "reviewer" not in groups(user) and not any(_belongs(rule, one) for one in mine):
        return f"Only a reviewer or {rule.words()} may look back at it."
    if case.state != "in_review":
        said = "it is looked at once it has ended and the target shows that it is gone"
        return f"{case.key} is {_said(case)}: {said}."
    return None


def _why_not_act(user: User, *, now: datetime) -> str | None:
    """What bars a login from any act here."""
    if not user.is_active:
        return INACTIVE
    if "auditor" in groups(user):
        return AUDITOR
    if user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    return None


def _why_not_apart(user: User, case: Case, *, now: datetime) -> str | None:
    why = _why_not_act(user, now=now) or cannot_decide(user)
    if why is not None:
        return why
    if user.person_id == case.requester_id:
        return "You asked for this: the requester never signs."
    if user.person_id in permissions.subject_persons(case.identity):
        return "You are the subject of this case: the subject never signs."
    return None


def _why_not_sign(user: User, case: Case, *, now: datetime) -> str | None:
    why = _why_not_apart(user, case, now=now)
    if why is not None:
        return why
    rule = document_of(case.break_glass.bundle).quorum
    mine = signers([user.person_id] if user.person_id else [], now=now)
    if not any(_belongs(rule, one) for one in mine):
        return f"It is signed by {rule.words()}: you are none of these."
    found = _counting(mine, rule, now=now, but=case.requester_id)
    if not any(_fits(rule, one) for one in found):
        return f"It is signed by {rule.words()}: you are not on call now."
    return None


def _why_not_asker(user: User, case: Case) -> str | None:
    return None if user.person_id == case.requester_id else "Only who asked may do this."


def _why_not_live(case: Case) -> str | None:
    if case.state == "carrying_out" and case.break_glass.opened_at is not None:
        return None
    return f"{case.key} is {_said(case)}: nothing of it is open."


def _fits(rule: quorum.Rule, one: Signer) -> bool:
    return any(one.fits(place) for place in rule.places())


def _belongs(rule: quorum.Rule, one: Signer) -> bool:
    return any(one.belongs(place) for place in rule.places())


def _said(case: Case) -> str:
    return case.state.replace("_", " ")


def persons(found: Iterable[Signer]) -> list[Person]:
    """These as rows, by name."""
    return list(Person.objects.filter(pk__in={one.person for one in found}).order_by("name", "pk"))
