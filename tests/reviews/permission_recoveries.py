"""The rows of the table of permissions: of second factors, and of recoveries of logins."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.test import override_settings

from identities.models import User
from identities.permissions import AUDITOR, INACTIVE, NOBODY
from reviews import enrolled, recovering
from reviews.models import BreakGlassAccount, Recovery
from reviews.models.recoveries import FIRST

from .conftest import NOW, make_user, person_of
from .permission_world import Row, World

HOUR = timedelta(hours=1)


def recovery(user: User, *, kind: str = "factor", state: str = "pending", **more: Any) -> Recovery:
    """One that was asked for two days ago and was due a day ago, unless told otherwise."""
    asked = NOW - 48 * HOUR
    given: dict[str, Any] = {"asked_at": asked, "due_at": asked + 24 * HOUR}
    if state == "cancelled":
        given |= {"cancelled_at": NOW - 30 * HOUR, "cancelled_by_name": "Rita"}
    if state in ("carried out", "reviewed"):
        given["done_at"] = NOW - 23 * HOUR
    if state == "reviewed":
        person = person_of(User.objects.get(username="rita"))
        given |= {"verdict": "as stated", "reviewed_at": NOW, "reviewed_person": person}
    given |= {"user": user, "kind": kind, "reason": "lost", "asked_by_name": "root"}
    return Recovery.objects.create(**given | more)


def with_factor(user: User, kind: str = "totp", **data: str) -> User:
    """The same login with a second factor, asked of the database anew."""
    Authenticator.objects.create(
        user=user, type=kind, data=data or {"secret": "ABCDEFGH"}, created_at=NOW - 90 * 24 * HOUR
    )
    return User.objects.select_related("person").get(pk=user.pk)


def account_of(user: User) -> User:
    BreakGlassAccount.objects.create(user=user, kept="x", made_at=NOW, made_by="x")
    return user


def _required(of: Callable[[World], User], *, on: bool = True) -> Callable[[World], str | None]:
    def asked(w: World) -> str | None:
        with override_settings(SECOND_FACTOR=on):
            return enrolled.why_not_without_factor(of(w))

    return asked


def of_recoveries() -> Iterator[Row]:
    name = "enrolled.why_not_without_factor"
    yield Row(name, _required(lambda w: w.user("rita")), enrolled.WITHOUT)
    yield Row(name, _required(lambda w: w.user("rita"), on=False), None)
    yield Row(name, _required(lambda w: with_factor(w.user("rita"))), None)
    yield Row(name, _required(lambda w: with_factor(w.user("rita"), "webauthn", x="y")), None)
    codes = _required(lambda w: with_factor(w.user("rita"), "recovery_codes", seed="ab"))
    yield Row(name, codes, enrolled.WITHOUT)
    yield Row(name, _required(lambda w: account_of(w.user("rita"))), None)

    def waits(w: World) -> User:
        user = with_factor(w.user("rita"))
        recovery(user, kind=FIRST)
        return user

    due = NOW - 24 * HOUR
    yield Row(name, _required(waits), enrolled.WAITS.format(due=due))

    name = "recovering.why_not_cancel_recovery"

    def cancels(by: str, of: str = "ines", state: str = "pending") -> Callable[[World], str | None]:
        return lambda w: recovering.why_not_cancel_recovery(
            w.user(by), recovery(w.user(of), state=state), now=NOW
        )

    for by, said in (
        ("rita", None),
        ("rex", None),
        ("root", None),
        ("ines", None),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        ("nobody", NOBODY),
        ("gus", None),
    ):
        yield Row(name, cancels(by), said)

    def requester(w: World) -> str | None:
        row = recovery(w.user("ines"))
        return recovering.why_not_cancel_recovery(make_user("ann"), row, now=NOW)

    yield Row(name, requester, recovering.WHO_CANCELS)
    yield Row(name, cancels("rita", of="rita"), None)
    for state in ("cancelled", "carried out", "reviewed"):
        said = f"REC-{{number}} is {state} already."
        yield Row(name, _numbered(cancels("rex", state=state)), said.replace("{number}", "1"))

    name = "recovering.why_not_review_recovery"

    def reviews(by: str, of: str = "ines", state: str = "carried out") -> Any:
        return lambda w: recovering.why_not_review_recovery(
            w.user(by), recovery(w.user(of), state=state), now=NOW
        )

    for by, said in (
        ("rita", None),
        ("rex", None),
        ("root", None),
        ("ines", recovering.WHO_REVIEWS),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        ("nobody", NOBODY),
    ):
        yield Row(name, reviews(by), said)
    yield Row(name, reviews("rita", of="rita"), recovering.OWN)
    for state in ("pending", "cancelled", "reviewed"):
        said = f"REC-1 is {state}: a recovery is reviewed once it was carried out."
        yield Row(name, _numbered(reviews("rex", state=state)), said)


def _numbered(ask: Callable[[World], str | None]) -> Callable[[World], str | None]:
    """The answer with the number of its only recovery as 1."""

    def asked(w: World) -> str | None:
        said = ask(w)
        return said and said.replace(Recovery.objects.get().key, "REC-1")

    return asked
