"""Which cases a user may see: the only way a case reaches a view, an answer or a count.

A sealed case is absent for everybody but its members, auditors and administrators included.
"""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from identities import visible as identities_visible
from identities.models import User
from reviews.models import Case, CaseMember, RoomRole, Seat, Task
from reviews.permissions import mine


def cases(user: User, *, now: datetime) -> QuerySet[Case]:
    """The cases this user may see."""
    if not user.is_active:
        return Case.objects.none()
    unsealed = Q(sealed=False)
    if not identities_visible.sees_all(user):
        parties = mine(user, now=now)
        seated = Exists(
            Seat.objects.filter(case=OuterRef("pk")).filter(
                Q(party__in=parties) | Q(backup__in=parties)
            )
        )
        # Asked of each case, so that a few of them do not cost every identity of a large owner.
        own = Exists(identities_visible.identities(user, now=now).filter(pk=OuterRef("identity")))
        # Whoever has a task or a role in an incident's room.
        tasks = Exists(Task.objects.filter(room=OuterRef("pk"), owner__in=parties))
        roles = Exists(RoomRole.objects.filter(room=OuterRef("pk"), person=user.person_id))
        unsealed &= Q(own) | Q(seated) | Q(opened_by=user.ref) | Q(tasks) | Q(roles)
        if user.person_id is not None:
            unsealed |= Q(sealed=False, requester_id=user.person_id)
    return _with_sealed(user, unsealed)


def seated(user: User, *, now: datetime) -> QuerySet[Case]:
    """Of these cases the ones in which this user sits or is the backup. Asked of seats alone: what
    somebody sits in is seen, whoever owns its identity."""
    if not user.is_active:
        return Case.objects.none()
    parties = mine(user, now=now)
    theirs = Seat.objects.filter(Q(party__in=parties) | Q(backup__in=parties))
    return _with_sealed(user, Q(sealed=False)).filter(Exists(theirs.filter(case=OuterRef("pk"))))


def _with_sealed(user: User, unsealed: Q) -> QuerySet[Case]:
    if user.person_id is None:
        return Case.objects.filter(unsealed)
    member = Exists(CaseMember.objects.filter(case=OuterRef("pk"), person_id=user.person_id))
    return Case.objects.filter(unsealed | Q(Q(sealed=True) & Q(member)))


def sealed_from(user: User, *, now: datetime) -> QuerySet[Case]:
    """The sealed cases this user may not see: what ledger and search leave out."""
    return Case.objects.filter(sealed=True).exclude(pk__in=cases(user, now=now).values("pk"))
