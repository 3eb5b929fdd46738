"""Who signs as the second person that a finding is settled, that somebody left and that a link ends.

Owns these kinds of proposed changes; what one person proposes is written by the actions below
(identities/actions). Nobody signs what is about themselves.
"""

from collections.abc import Sequence
from datetime import datetime

from identities import permissions
from identities.acting import Acting
from identities.actions import changes, findings, leaving
from identities.actions.bindings import linking
from identities.actions.changes import Line
from identities.models import Binding, Finding, Identity, Person, ProposedChange, User
from reviews import owner_permissions
from reviews.persons import subject_persons

SUBJECT = "This is about you: somebody else signs it."


def why_not_subject(user: User, identity: Identity | None) -> str | None:
    """Sign what is about an identity: not the person that it is."""
    return SUBJECT if user.person_id in subject_persons(identity) else None


class Settling:
    """A finding is expected, false or a duplicate: whoever may say so alone of one that is."""

    @staticmethod
    def why_not_sign(user: User, row: ProposedChange, *, now: datetime) -> str | None:
        finding = _finding(row)
        why = permissions.why_not_dispose_finding(user, finding, now=now)
        return why or why_not_subject(user, finding.identity)

    @staticmethod
    def apply(row: ProposedChange, *, by: Acting, now: datetime) -> Sequence[Line]:
        finding, disposition = _finding(row), row.document["disposition"]
        done = findings.lines(finding, disposition)
        findings.dispose(
            finding=finding, disposition=disposition, reason=row.reason, by=by, now=now
        )
        return done


def _finding(row: ProposedChange) -> Finding:
    number = int(row.document["finding"].removeprefix("F-"))
    return Finding.objects.select_related("identity__service").get(number=number)


class Leaving:
    """Somebody left, or is here after all: who may say so of them."""

    @staticmethod
    def why_not_sign(user: User, row: ProposedChange, *, now: datetime) -> str | None:
        person = Person.objects.get(pk=row.document["person"])
        if row.document["left"] is None:
            return permissions.why_not_say_who_left(user, person, now=now)
        return owner_permissions.why_not_say_gone(user, person, now=now)

    @staticmethod
    def apply(row: ProposedChange, *, by: Acting, now: datetime) -> Sequence[Line]:
        person, left = Person.objects.get(pk=row.document["person"]), row.document["left"]
        at = None if left is None else datetime.fromisoformat(left)
        done = leaving.lines(person, at)
        if at is None:
            leaving.come_back(person=person, reason=row.reason, by=by, now=now)
        else:
            leaving.leave(person=person, at=at, reason=row.reason, by=by, now=now)
        return done


class Ending:
    """A confirmed link is taken back: who may settle it, and one of the two answers for the
    identity, where anybody does who has not left."""

    @staticmethod
    def why_not_sign(user: User, row: ProposedChange, *, now: datetime) -> str | None:
        binding = _binding(row)
        identity = binding.identity
        why = permissions.why_not_confirm_binding(user, binding, now=now)
        why = why or why_not_subject(user, identity)
        if why is not None:
            return why
        proposer = User(person=row.proposed_person)
        if (
            permissions.answers_for(user, identity, now=now)
            or permissions.answers_for(proposer, identity, now=now)
            or permissions.nobodys(identity, now=now)
        ):
            return None
        return f"Whoever answers for {identity.name} signs this."

    @staticmethod
    def apply(row: ProposedChange, *, by: Acting, now: datetime) -> Sequence[Line]:
        return linking.ended(row, _binding(row), by=by, now=now)


def _binding(row: ProposedChange) -> Binding:
    rows = Binding.objects.select_related("identity__service", "actor")
    return rows.get(pk=row.document["link"])


KINDS: dict[str, changes.Kind] = {
    findings.KIND: Settling(),
    leaving.KIND: Leaving(),
    linking.ENDING: Ending(),
}
