"""Who may stop what in an incident, let it go again, and sign playbooks; and the sentence why not.

Owns the table of "Making it stop" as it holds in a room: what can be undone takes one signature of
the lead, a responder or whoever answers for it; what cannot, both seats', or that of a lead whom
another person named: whoever opens an incident and leads it would else revoke anything alone.
"""

from datetime import datetime
from typing import NamedTuple

from identities.models import Identity, Person, User
from identities.permissions import (
    AUDITOR,
    LEFT,
    NOBODY,
    answers_for,
    cannot_decide,
    cannot_sign,
    groups,
)
from reviews import permissions
from reviews.incidents.rights import own_word
from reviews.models import Case, ContainmentStep, Playbook, RoomRole

OVER = ("closed", "cancelled")
# Whoever answers for it may stop these, and let them go.
LIGHT = ("hold", "block", "narrow")
FOR_GOOD = ("sessions", "revoke")
WRITING = frozenset({"responder", "reviewer", "administrator"})
LEAD, RESPONDER, OWNER = "incident lead", "responder", "who answers for it"


class Lead(NamedTuple):
    """Who leads a room; `own_word`: nobody else said so."""

    person: Person
    own_word: bool


def leads(user: User, case: Case) -> bool:
    """Whether this user's person leads the room now."""
    lead = _lead(case)
    return lead is not None and lead.person.pk == user.person_id


def _not_for_good(case: Case) -> str | None:
    """Why the lead does nothing alone that cannot be undone: nobody else made them the lead."""
    lead = _lead(case)
    if lead is None:
        return "Nobody leads this incident: name a lead, who may revoke, or ask both seats."
    if lead.own_word:
        return (
            f"{lead.person.name} leads it by their own word: have another person name the lead, who"
            " may then revoke, or ask both seats."
        )
    return None


def signs_as(user: User, case: Case, does: str, identity: Identity | None, *, now: datetime) -> str:
    """As what this user may do it alone; "" where they may not."""
    if leads(user, case) and (does not in FOR_GOOD or _not_for_good(case) is None):
        return LEAD
    if does in FOR_GOOD:
        return ""
    if "responder" in groups(user):
        return RESPONDER
    if does in LIGHT and identity is not None and answers_for(user, identity, now=now):
        return OWNER
    return ""


def why_not_contain(
    user: User, case: Case, does: str, identity: Identity | None, *, now: datetime
) -> str | None:
    """Do this to something of this identity, by one signature."""
    why = _why_not_act(user, case, now=now)
    if why is not None or signs_as(user, case, does, identity, now=now):
        return why
    if does in FOR_GOOD:
        only = "Only the incident lead revokes alone: it cannot be taken back. Ask both seats."
        why = _not_for_good(case)
        return why if why is not None and (leads(user, case) or _lead(case) is None) else only
    if does == "suspend":
        return "Only the incident lead or a responder suspends alone: hold it, or ask both seats."
    name = "it" if identity is None else identity.name
    return f"Only the incident lead, a responder or who answers for {name} may stop it here."


def why_not_ask_seats(user: User, case: Case, *, now: datetime) -> str | None:
    """Put a step before both seats of the incident."""
    why = why_not_contain(user, case, "hold", case.identity, now=now)
    if why is not None:
        return why
    if case.state != "open":
        said = case.state.replace("_", " ")
        return f"{case.key} is {said}: its seats are asked nothing more."
    return None


def why_not_undo(user: User, case: Case, step: ContainmentStep, *, now: datetime) -> str | None:
    """Let go what a step stopped: whoever may stop it."""
    why = why_not_contain(user, case, "hold", case.identity, now=now)
    if why is not None:
        return why
    if step.does in FOR_GOOD:
        return "What is revoked does not come back: a new one is issued."
    if step.does == "suspend":
        return "Resuming takes both seats: ask to resume it on the identity's page."
    if step.state != "asked":
        return f"{step.key} stops nothing now."
    return None


def why_not_run(user: User, case: Case, does: frozenset[str], *, now: datetime) -> str | None:
    """Sign a playbook that does all of this."""
    order = (*FOR_GOOD, "suspend", *LIGHT)
    for one in sorted(does, key=order.index):
        why = why_not_contain(user, case, one, case.identity, now=now)
        if why is not None:
            return why
    return None


def why_not_stop_run(user: User, case: Case, *, now: datetime) -> str | None:
    """Keep the steps that have not begun from beginning: whoever may stop anything here."""
    return why_not_contain(user, case, "hold", case.identity, now=now)


def why_not_propose_playbook(user: User, *, now: datetime) -> str | None:
    """Propose a version of a playbook."""
    said = "Only a responder, a reviewer or an administrator writes playbooks."
    return cannot_sign(user, WRITING, said, now=now)


def why_not_sign_playbook(user: User, playbook: Playbook, *, now: datetime) -> str | None:
    """Put a proposed version in force: somebody else than who proposed it."""
    why = why_not_propose_playbook(user, now=now) or _why_not_open(playbook)
    if why is None and playbook.proposed_person_id == user.person_id:
        return "You proposed it: a second person signs."
    return why


def why_not_refuse_playbook(user: User, playbook: Playbook, *, now: datetime) -> str | None:
    """Refuse a proposed version; who proposed it may take it back the same way."""
    return why_not_propose_playbook(user, now=now) or _why_not_open(playbook)


def why_not_end_playbook(user: User, playbook: Playbook, *, now: datetime) -> str | None:
    """Take a playbook out of use: one person, at once; what runs goes on."""
    why = why_not_propose_playbook(user, now=now)
    if why is None and playbook.state != "in_force":
        return f"{playbook} is not in force."
    return why


def _why_not_open(playbook: Playbook) -> str | None:
    if playbook.state == "proposed":
        return None
    return f"{playbook} is {playbook.state.replace('_', ' ')} already."


def _lead(case: Case) -> Lead | None:
    """Who leads the room now, asked of the database once for each case object."""
    if "_lead_now" not in case.__dict__:
        rows = RoomRole.objects.filter(room=case.pk, role="lead", until__isnull=True)
        found = rows.select_related("person").annotate(own_word=own_word()).first()
        lead = None if found is None else Lead(found.person, found.own_word)
        case.__dict__["_lead_now"] = lead
    known: Lead | None = case.__dict__["_lead_now"]
    return known


def _why_not_act(user: User, case: Case, *, now: datetime) -> str | None:
    """What bars anybody from stopping anything here."""
    if why := cannot_decide(user):
        return why
    if "auditor" in groups(user):
        return AUDITOR
    if user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    if case.door != "incident":
        return f"{case.key} is no incident: what it is about is decided by its seats."
    if case.state in OVER:
        return f"{case.key} is {case.state}: nothing is stopped in it."
    if case.sealed and not case.members.filter(person=user.person).exists():
        return permissions.ABSENT
    # Asked of the database once for each case object, as a page asks of each of its steps.
    if "_subjects_now" not in case.__dict__:
        case.__dict__["_subjects_now"] = permissions.subjects_of(case)
    if user.person_id in case.__dict__["_subjects_now"]:
        return "You are the subject of this incident: somebody else acts in it."
    return None
