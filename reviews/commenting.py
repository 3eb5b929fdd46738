"""Who may comment on a case, and who is meant by the names in a comment.

Owns `why_not_comment`, in the manner of reviews/permissions.py, and what counts as a name. Nobody
is named who may not see the case: the words for them are those for somebody who does not exist.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Lower

from identities.models import Person, User
from identities.permissions import AUDITOR, INACTIVE, NotPossible, groups
from reviews import permissions, visible
from reviews.models import Case

MOST_NAMES = 10
# A login or a mail address behind an @ that begins a word.
NAME = re.compile(r"(?<![\w@.+-])@(\w[\w.+-]*(?:@[\w.-]+)?)")


def why_not_comment(user: User, case: Case, *, now: datetime) -> str | None:
    """Comment on a case: whoever sees it and changes things, until it is over."""
    if not user.is_active:
        return INACTIVE
    if permissions.why_not_see(user, case, now=now) is not None:
        return permissions.ABSENT
    if "auditor" in groups(user):
        return AUDITOR
    if user.person_id is None or user.person is None:
        return "This login is nobody's: a comment needs a person behind it."
    if user.person.left_at is not None and user.person.left_at <= now:
        return "You have left: this login writes nothing."
    if case.state in ("closed", "cancelled"):
        return f"{case.key} is {case.state}: nothing is added to it."
    return None


def named(text: str) -> list[str]:
    """The names behind an @, each once, in lower case."""
    found = (one.rstrip(".+-").lower() for one in NAME.findall(text))
    return [one for one in dict.fromkeys(found) if one]


def meant(text: str, case: Case, *, now: datetime) -> list[Person]:
    """The persons that a comment names, or NotPossible with the name that is nobody's here."""
    names = named(text)
    if len(names) > MOST_NAMES:
        raise NotPossible(f"At most {MOST_NAMES} people can be mentioned in one comment.")
    if not names:
        return []
    called: dict[str, list[User]] = {}
    for user in (
        User.objects.filter(is_active=True, person__isnull=False)
        .annotate(login=Lower("username"), mail=Lower("person__email"), own=Lower("person__name"))
        .filter(Q(login__in=names) | Q(mail__in=names) | Q(own__in=names))
        .select_related("person")
    ):
        for one in {user.login, user.mail, user.own}.intersection(names):
            called.setdefault(one, []).append(user)
    found: dict[str, Person] = {}
    for name in names:
        persons = {one.pk: one for one in _who_see(called.get(name, ()), case, now=now)}
        if len(persons) > 1:
            raise NotPossible(f"@{name} is more than one person: write the login or mail address.")
        if not persons:
            raise NotPossible(
                f"@{name} is nobody who sees this case: write a login or a mail address,"
                " or leave out the @."
            )
        found |= {str(pk): one for pk, one in persons.items()}
    return list(found.values())


def _who_see(users: Iterable[User], case: Case, *, now: datetime) -> list[Person]:
    return [
        user.person
        for user in users
        if user.person is not None
        and (user.person.left_at is None or user.person.left_at > now)
        and visible.cases(user, now=now).filter(pk=case.pk).exists()
    ]
