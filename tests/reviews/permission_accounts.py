"""The rows of the table of permissions: of break-glass accounts and who looks at their use."""

from collections.abc import Iterator
from typing import Any

from identities.models import Person, User
from identities.permissions import AUDITOR, INACTIVE, NOBODY
from reviews.accounts import looking, making
from reviews.models import AccountUse, BreakGlassAccount

from .conftest import NOW, person_of
from .permission_world import Row, World

LOOKING = "Only a reviewer, a responder or an administrator looks at the use of an account."


def use(w: World, *, of: str = "glass", reviewed: bool = False) -> AccountUse:
    """Of an account that is nobody's, or that is another login of this one's person."""
    person = None if of == "glass" else w.user(of).person
    more: dict[str, Any] = {}
    if reviewed:
        root = w.user("root")
        more = {
            "review": "drill",
            "reviewed_at": NOW,
            "reviewed_by_name": "Root",
            "reviewed_person": person_of(root),
        }
    return used(f"{of}-account", person, **more)


def used(name: str, person: Person | None = None, **more: Any) -> AccountUse:
    """One use of a new account."""
    user = User.objects.create(username=name, person=person)
    account = BreakGlassAccount.objects.create(user=user, kept="x", made_at=NOW, made_by="x")
    return AccountUse.objects.create(account=account, at=NOW, means="code", address="x", **more)


def of_accounts() -> Iterator[Row]:
    for name, said in (
        ("root", None),
        ("rita", "Only an administrator may do this."),
        ("off", INACTIVE),
        ("otto", AUDITOR),
    ):
        yield Row(
            "making.why_not_administer_accounts",
            lambda w, name=name: making.why_not_administer_accounts(w.user(name), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    look = "looking.why_not_look_back"
    for name, said in (
        ("rita", None),
        ("rex", None),
        ("root", None),
        ("gus", LOOKING),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        ("nobody", NOBODY),
    ):
        yield Row(
            look,
            lambda w, name=name: looking.why_not_look_back(w.user(name), use(w), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    yield Row(
        look,
        lambda w: looking.why_not_look_back(w.user("rex"), use(w, of="rex"), now=NOW),
        looking.OWN,
    )
    yield Row(
        look,
        lambda w: looking.why_not_look_back(w.user("rex"), use(w, reviewed=True), now=NOW),
        "Root has looked at it already.",
    )
