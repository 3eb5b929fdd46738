"""Making logins, with the person behind each and what they may do. Owns the groups of the roles.

Nobody signs up: an administrator of the server makes a login, and whoever it is for sets their
own password (config/management/commands/login.py). A second run changes nothing.
"""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from evidence import ledger, nudge
from identities import permissions
from identities.acting import By, acting
from identities.models import Person, User
from identities.models.people import GROUPS
from identities.permissions import NotPossible, require


def ensure_roles() -> None:
    """A group for each role; what a role may do is in the permissions of each app."""
    Group.objects.bulk_create([Group(name=one) for one in GROUPS], ignore_conflicts=True)


def make(
    *,
    username: str,
    name: str,
    email: str,
    roles: Iterable[str],
    by: By,
    now: datetime,
    second_of: str = "",
) -> tuple[User, list[str]]:
    """The login of this name with its person and at least these roles; what changed, in words.

    `second_of`: another login of the same person, who is one person for every signature; it needs
    neither name nor address.

    What is not given stays as it is. A login that was switched off works again, unless its person
    has left. NotPossible where something names another person.
    """
    require(permissions.why_not_administer(by, now=now))
    roles = sorted(set(roles))
    unknown = [one for one in roles if one not in GROUPS]
    if unknown:
        raise NotPossible(f"{', '.join(unknown)} is no role; choose from {', '.join(GROUPS)}.")
    if email:
        try:
            validate_email(email)
        except ValidationError:
            raise NotPossible(f"{email[:80]!r} is no e-mail address.") from None
    with transaction.atomic():
        user, new = _login(username, name=name, email=email, second=bool(second_of))
        said = [f"the login {username} is new"] if new else []
        said += _person(user, name=name, email=email, second_of=second_of, now=now)
        ensure_roles()
        mine = set(user.groups.values_list("name", flat=True))
        given = [one for one in roles if one not in mine]
        if "auditor" in {*mine, *given} and len({*mine, *given}) > 1:
            raise NotPossible(
                "Auditors read everything and change nothing: an auditor has no other role."
            )
        user.groups.add(*Group.objects.filter(name__in=given))
        said += [f"is {one} now" for one in given]
        if not user.is_active:
            user.is_active = True
            user.save(update_fields=["is_active"])
            said.append("is switched on again")
        if said:
            _note(user, said, by=by, now=now)
            nudge.after_commit("people.changed")
    return user, said


def _login(username: str, *, name: str, email: str, second: bool) -> tuple[User, bool]:
    found = User.objects.select_for_update(of=("self",)).filter(username=username).first()
    if found is not None:
        return found, False
    if not second and not (name and email):
        raise NotPossible(
            f"There is no login {username!r} yet: say whose it is, with --name and --email."
        )
    if email and User.objects.filter(email__iexact=email).exists():
        raise NotPossible(f"Another login has the address {email}.")
    made = User(username=username, email=email)
    made.set_unusable_password()
    try:
        made.full_clean(exclude=["password"] if email else ["password", "email"])
    except ValidationError as problem:
        raise NotPossible(" ".join(problem.messages)) from None
    made.save()
    return made, True


def _person(user: User, *, name: str, email: str, second_of: str, now: datetime) -> list[str]:
    """The person behind a login: whose other login is named, else found by the address, else made."""
    person = user.person
    if second_of:
        first = User.objects.select_related("person").filter(username=second_of).first()
        if first is None or first.person is None:
            raise NotPossible(f"There is no login {second_of!r} with a person behind it.")
        if person is not None and person != first.person:
            raise NotPossible(f"The login {user.username} is {person.name}'s: it stays theirs.")
        said = [] if person else [f"is another login of {first.person.name}"]
        user.person = person = first.person
        user.save(update_fields=["person"])
    elif person is None:
        address = email or user.email
        found = list(Person.objects.select_for_update().filter(email__iexact=address)[:2])
        if len(found) > 1:
            raise NotPossible(f"Several people have the address {address}: settle that first.")
        person = found[0] if found else Person.objects.create(name=name, email=address)
        user.person = person
        user.save(update_fields=["person"])
        said = [f"{person.name} is behind it"]
    else:
        said = []
    if name and person.name != name:
        raise NotPossible(f"The login {user.username} is {person.name}'s: it stays theirs.")
    if person.left_at is not None and person.left_at <= now:
        raise NotPossible(
            f"{person.name} has left: say first that they are back (page People, or left: never"
            " in a registration file)."
        )
    return said


def _note(user: User, said: list[str], *, by: By, now: datetime) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act="login.made",
        subject=user.ref,
        words=f"{user.called}, login {user.username}: {'; '.join(said)}"[:1_000],
        data={"login": str(user.pk), "person": str(user.person_id)},
    )
