"""Who is there: persons who have not left and may sign in, and teams with such a person in them.

Owns the sets, for sweeps over everybody. Must not know what becomes of those who are gone.
"""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from identities.models import Membership, Party, Person, User


def gone(*, now: datetime) -> QuerySet[Person]:
    """Persons who have left, or whose every login is switched off. A person without a login is
    there: people are registered before they first sign in."""
    logins = User.objects.filter(person=OuterRef("pk"))
    off = Q(Exists(logins)) & ~Q(Exists(logins.filter(is_active=True)))
    return Person.objects.filter(Q(left_at__lte=now) | off)


def there(*, now: datetime) -> QuerySet[Party]:
    """The parties that somebody stands for: a person who is there, a team with one in it."""
    missing = gone(now=now).values("pk")
    member = Membership.objects.filter(
        team=OuterRef("team"), during__contains=now, superseded_at__isnull=True
    ).exclude(person__in=missing)
    alone = Q(person__isnull=False) & ~Q(person__in=missing)
    return Party.objects.filter(alone | Q(Exists(member)))
