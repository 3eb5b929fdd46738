"""What a person may do to identities, and the sentence why not.

Owns `why_not_<verb>(user, thing, now=...) -> str | None`, written once: actions require it,
pages disable the button and show it, the API returns it. Must not know of HTTP or pages.

Groups: reviewer decides and confirms; owner answers for what their person or team owns;
responder contains; auditor reads all and changes nothing, whatever other group they are in;
administrator registers and configures.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from evidence import permissions as lowest
from identities.acting import COMMAND, By, acting
from identities.models import Binding, Finding, Identity, LinkProposal, Party, Person, User


class PersonRequired(lowest.NotAllowed):
    """A person who has just confirmed who they are may do this, a token may not (HTTP 403)."""

    code = "person_required"


# The same two errors in the whole house; whoever acts on identities finds them here as well.
NotAllowed = lowest.NotAllowed
NotPossible = lowest.NotPossible
require = lowest.require

READERS = frozenset({"reviewer", "responder", "auditor", "administrator"})
AUDITOR = "You are an auditor: auditors read everything and change nothing."
INACTIVE = "This login is switched off."
NOBODY = "This login is nobody's: signing needs a person behind it."
IMPORTED_ELSEWHERE = (
    "Only `manage.py register --imported` on the server imports delegations. Leave `imported` out:"
    " delegations become proposals, which an access request brings into force."
)
LEFT = "You have left: this login signs nothing."


def groups(user: User) -> frozenset[str]:
    """The names of the user's groups, asked of the database once per user object."""
    known: frozenset[str] | None = user.__dict__.get("_group_names")
    if known is None:
        known = frozenset(user.groups.values_list("name", flat=True))
        if user.is_superuser:
            known |= {"administrator"}
        user.__dict__["_group_names"] = known
    return known


def _nothing_lacks(_: User) -> str | None:
    return None


# Set when the app starts, by who knows sign-ins: why a login without a second factor decides nothing.
lacks_factor: Callable[[User], str | None] = _nothing_lacks


def came_by_token(user: User) -> None:
    """This user object comes from a token, which an administrator made: nobody signed in."""
    user.__dict__["_by_token"] = True


def cannot_decide(user: User) -> str | None:
    """Why a login decides nothing, whatever groups it is in and whatever it answers for."""
    return lacks_factor(user) if user.is_active else INACTIVE


def cannot_change(user: User) -> str | None:
    """Why a login changes nothing at all."""
    if not user.is_active:
        return INACTIVE
    return AUDITOR if "auditor" in groups(user) else None


def cannot_sign(user: User, able: frozenset[str], sentence: str, *, now: datetime) -> str | None:
    """Why a user signs nothing for the whole house, or `sentence` to whoever is in no group that may."""
    if not user.is_active:
        return INACTIVE
    mine = groups(user)
    if "auditor" in mine:
        return AUDITOR
    if mine.isdisjoint(able):
        return sentence
    if user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    return cannot_decide(user)


def parties_of(user: User, *, now: datetime) -> frozenset[UUID]:
    """The parties this user stands for at `now`: their person, and the teams it is in. Asked of
    the database once for each user object and moment."""
    if user.person_id is None:
        return frozenset()
    known: tuple[datetime, frozenset[UUID]] | None = user.__dict__.get("_parties_at")
    if known is not None and known[0] == now:
        return known[1]
    # One query, and no membership that was superseded or is not true at `now`.
    found = frozenset(
        Party.objects.filter(
            Q(person_id=user.person_id)
            | Q(
                team__memberships__person_id=user.person_id,
                team__memberships__during__contains=now,
                team__memberships__superseded_at__isnull=True,
            )
        ).values_list("id", flat=True)
    )
    user.__dict__["_parties_at"] = (now, found)
    return found


def answers_for(user: User, identity: Identity, *, now: datetime) -> bool:
    """Whether the user is owner, sponsor or backup of the identity, or owns its AI system."""
    return not _named(identity).isdisjoint(parties_of(user, now=now))


def nobodys(identity: Identity, *, now: datetime) -> bool:
    """Whether nobody answers for it who has not left."""
    named = [one for one in _named(identity) if one is not None]
    there = Person.objects.filter(Q(left_at__isnull=True) | Q(left_at__gt=now))
    parties = Party.objects.filter(
        Q(person__in=there)
        | Q(
            team__memberships__person__in=there,
            team__memberships__during__contains=now,
            team__memberships__superseded_at__isnull=True,
        ),
        pk__in=named,
    )
    return not (named and parties.exists())


def _named(identity: Identity) -> set[UUID | None]:
    named = {identity.owner_id, identity.sponsor_id, identity.backup_id}
    if identity.service is not None:
        named |= {identity.service.owner_id, identity.service.ai_owner_id}
    return named


def _why_not(
    by: By, allowed: frozenset[str], identity: Identity | None, sentence: str, now: datetime
) -> str | None:
    """One rule for all verbs: the groups that may, or answering for the identity."""
    user = acting(by).user
    if user is None:
        return None
    if not user.is_active:
        return INACTIVE
    mine = groups(user)
    if "auditor" in mine:
        return AUDITOR
    if mine & allowed or (identity is not None and answers_for(user, identity, now=now)):
        return cannot_decide(user)
    return sentence


def why_not_confirm_binding(by: By, binding: Binding, *, now: datetime) -> str | None:
    """Confirm, reject or take back a binding."""
    return _why_not(
        by,
        frozenset({"reviewer", "administrator"}),
        binding.identity,
        f"Only a reviewer or who answers for {binding.identity.name} may settle its bindings.",
        now,
    )


def why_not_see_unclaimed(by: By) -> str | None:
    """See which actors nobody has claimed, and what a rule would confirm of all identities."""
    user = acting(by).user
    if user is None or (user.is_active and not groups(user).isdisjoint(READERS)):
        return None
    return "Unclaimed actors are nobody's yet: reviewers claim them."


def why_not_claim(by: By, identity: Identity, *, now: datetime) -> str | None:
    """Bind an unclaimed actor to an identity by hand."""
    return _why_not(
        by,
        frozenset({"reviewer", "administrator"}),
        identity,
        f"Only a reviewer or who answers for {identity.name} may bind an actor to it.",
        now,
    )


def why_not_sign_link(user: User, row: LinkProposal, *, now: datetime) -> str | None:
    """Sign that an actor is an identity's: who answers for the other one that uses it, or, where
    nobody does or uses it, a reviewer; never who proposed it."""
    if user.person_id is not None and user.person_id == row.proposed_person_id:
        return "You proposed it: a second person signs."
    return why_not_refuse_link(user, row, now=now)


def why_not_refuse_link(user: User, row: LinkProposal, *, now: datetime) -> str | None:
    """Refuse such a link; who proposed it may take it back the same way."""
    proposed = user.person_id is not None and user.person_id == row.proposed_person_id
    if why := cannot_decide(user):
        return why
    if "auditor" in groups(user):
        return AUDITOR
    theirs = proposed or answers_for(user, row.other, now=now)
    able = groups(user) & {"reviewer", "administrator"}
    alone = row.other_id == row.identity_id
    if not (theirs or (able and (alone or nobodys(row.other, now=now)))):
        also = " or a reviewer" if alone else ""
        return f"Only who answers for {row.other.name}{also} may sign or refuse this."
    if user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    if row.state != "proposed":
        return f"It is {row.state.replace('_', ' ')} already."
    return None


def why_not_register(by: By, *, now: datetime) -> str | None:
    """Register services, identities and owners; propose delegations in a file."""
    return _why_not(
        by, frozenset({"administrator"}), None, "Only an administrator may register files.", now
    )


def why_not_import(by: By) -> str | None:
    """Bring delegations into force without a signature: only the command line, for a first load."""
    return None if by == COMMAND else IMPORTED_ELSEWHERE


def why_not_roster(by: By, *, now: datetime) -> str | None:
    """Send a list of people, with who left and who moved."""
    return _why_not(
        by,
        frozenset({"reviewer", "administrator"}),
        None,
        "Only a reviewer or an administrator may say who is here and who has left.",
        now,
    )


def why_not_say_who_left(by: By, person: Person, *, now: datetime) -> str | None:
    """Say of somebody that they left, are back or moved; nobody says it of themselves, because
    what they sign and what goes to others would follow their own word."""
    why = why_not_roster(by, now=now)
    user = acting(by).user
    if why is None and user is not None and user.person_id == person.pk:
        return "Nobody says of themselves that they left or moved: ask somebody else."
    return why


def why_not_activate(by: By, identity: Identity, *, now: datetime) -> str | None:
    """Make an identity active."""
    return _why_not(
        by,
        frozenset({"reviewer", "administrator"}),
        identity,
        f"Only a reviewer or who answers for {identity.name} may make it active.",
        now,
    )


def why_not_attest(by: By, identity: Identity, *, now: datetime) -> str | None:
    """State purpose and expiry: an owner's statement, nobody else's."""
    user = acting(by).user
    if user is None:
        return "An attestation is a person's statement; sign in as who answers for the identity."
    if user.person_id is None:
        return "This login is nobody's: an attestation needs a person behind it."
    return _why_not(
        by,
        frozenset(),
        identity,
        f"Only its owner, sponsor, backup or AI-system owner may attest {identity.name}.",
        now,
    )


def why_not_describe(by: By, identity: Identity, *, now: datetime) -> str | None:
    """State what is known of an external integration and its vendor."""
    return _why_not(
        by,
        frozenset({"reviewer", "administrator"}),
        identity,
        f"Only a reviewer or who answers for {identity.name} may state what its vendor says.",
        now,
    )


def why_not_dispose_finding(by: By, finding: Finding, *, now: datetime) -> str | None:
    """Say what a finding is: confirmed, expected, false, duplicate."""
    return _why_not(
        by,
        frozenset({"reviewer", "responder"}),
        finding.identity,
        "Only a reviewer, a responder or who answers for the identity may settle a finding.",
        now,
    )


def why_not_hold(by: By, identity: Identity, *, now: datetime) -> str | None:
    """Hold, and release what was held: reversible, so responder and owner may alone."""
    return _why_not(
        by,
        frozenset({"responder"}),
        identity,
        f"Only a responder or who answers for {identity.name} may hold it.",
        now,
    )


def why_not_suspend(by: By, identity: Identity, *, now: datetime) -> str | None:
    """Suspend: nobody resumes it alone, so that nobody does it alone. In an incident it is part of
    the containment, which is signed there and can be undone."""
    return _why_not(
        by,
        frozenset(),
        None,
        f"Suspending {identity.name} takes both seats: open a case, or hold it at once.",
        now,
    )


def why_not_resume(by: By, identity: Identity, *, now: datetime) -> str | None:
    """What is suspended works again when its seats have signed it: nobody resumes it alone, who
    suspended it to contain neither. A hold is what one person lets go of again."""
    return _why_not(
        by,
        frozenset(),
        None,
        f"Resuming {identity.name} takes both seats: ask to resume it, and they sign.",
        now,
    )


def why_not_revoke(by: By, identity: Identity, *, now: datetime) -> str | None:
    """Revoke or narrow: it cannot be undone, so that nobody does it alone. What a case or the lead
    of an incident signed is carried out in the name of Countersign."""
    return _why_not(
        by,
        frozenset(),
        None,
        f"Revoking what {identity.name} has takes both seats: open a case, or hold it at once.",
        now,
    )


def why_not_retry(by: By, identity: Identity, *, now: datetime) -> str | None:
    """Send again what failed: it was allowed when it was asked for."""
    return _why_not(
        by,
        frozenset({"responder"}),
        identity,
        f"Only a responder or who answers for {identity.name} may try it again.",
        now,
    )


def stops_others(by: By) -> bool:
    """Whether a stop also takes what its credential issued to other identities: what a case or an
    incident decided, and a responder's hold; not the hold of who answers for one identity only."""
    user = acting(by).user
    return user is None or "responder" in groups(user)


def why_not_retire(by: By, identity: Identity, *, now: datetime) -> str | None:
    """Retiring takes the owner and, for an AI system, its owner too: then through a case."""
    if identity.service is not None and identity.service.ai_system:
        return _why_not(
            by,
            frozenset(),
            None,
            f"{identity.name} serves an AI system: retiring it takes both seats, open a case.",
            now,
        )
    return _why_not(
        by, frozenset(), identity, f"Only who answers for {identity.name} may retire it.", now
    )


def why_not_administer(by: By, *, now: datetime) -> str | None:
    """Make tokens for others, read entitlements by hand."""
    return _why_not(
        by, frozenset({"administrator"}), None, "Only an administrator may do this.", now
    )
