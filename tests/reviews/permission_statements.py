"""The rows of the table of permissions: of what people state to be done by hand."""

from collections.abc import Callable, Iterator

from identities import permissions
from identities.acting import COUNTERSIGN
from identities.actions import batches
from identities.actions.revocations import stating
from identities.models import Person, Statement, User
from identities.permissions import AUDITOR, INACTIVE, LEFT, NOBODY

from .conftest import NOW
from .permission_world import Row, World

ONLY = (
    "Only a responder, an administrator or who answers for svc-report may state that something was"
    " done by hand."
)


def of_statements() -> Iterator[Row]:
    def base(name: str, ask: Callable[[User, World], str | None]) -> Iterator[Row]:
        for who, why in (
            ("off", INACTIVE),
            ("otto", AUDITOR),
            ("gus", ONLY),
            ("rita", ONLY),
        ):
            yield Row(f"stating.{name}", lambda w, who=who: ask(w.user(who), w), why)  # type: ignore[misc]  # a default binds it
        yield Row(f"stating.{name}", lambda w: ask(_nobodys(w), w), NOBODY)
        yield Row(f"stating.{name}", lambda w: ask(w.left("rex"), w), LEFT)

    state = stating.why_not_state
    yield from base("why_not_state", lambda user, w: state(user, w.identity(), now=NOW))
    for who in ("rex", "root", "ines", "samuel"):
        yield Row(
            "stating.why_not_state",
            lambda w, who=who: state(w.user(who), w.identity(), now=NOW),  # type: ignore[misc]  # a default binds it
            None,
        )
    sign, refuse = stating.why_not_sign_statement, stating.why_not_refuse_statement
    for name, ask in (("why_not_sign_statement", sign), ("why_not_refuse_statement", refuse)):
        yield from base(
            name,
            lambda user, w, ask=ask: ask(user, w.identity(), _stated(w, "ines"), now=NOW),  # type: ignore[misc]  # a default binds it
        )
        yield Row(
            f"stating.{name}",
            lambda w, ask=ask: ask(w.user("rex"), w.identity(), None, now=NOW),  # type: ignore[misc]  # a default binds it
            stating.NOTHING,
        )
        yield Row(
            f"stating.{name}",
            lambda w, ask=ask: ask(w.user("rex"), w.identity(), _stated(w, "ines"), now=NOW),  # type: ignore[misc]  # a default binds it
            None,
        )
    yield Row(
        "stating.why_not_sign_statement",
        lambda w: sign(w.user("ines"), w.identity(), _stated(w, "ines"), now=NOW),
        "You stated it: a second person signs.",
    )
    yield Row(
        "stating.why_not_refuse_statement",
        lambda w: refuse(w.user("ines"), w.identity(), _stated(w, "ines"), now=NOW),
        None,
    )


def of_revocations() -> Iterator[Row]:
    """Nobody revokes or suspends alone; what failed is sent again by who contains or answers for it."""
    seats = "Revoking what svc-report has takes both seats: open a case, or hold it at once."
    suspends = seats.replace("Revoking what svc-report has", "Suspending svc-report")
    again = "Only a responder or who answers for svc-report may try it again."
    table: tuple[tuple[str, str, str | None], ...] = (
        ("revoke", "rex", seats),
        ("revoke", "ines", seats),
        ("revoke", "root", seats),
        ("revoke", "otto", AUDITOR),
        ("revoke", "off", INACTIVE),
        ("suspend", "rex", suspends),
        ("suspend", "ines", suspends),
        ("suspend", "otto", AUDITOR),
        ("suspend", "off", INACTIVE),
        ("retry", "rex", None),
        ("retry", "ines", None),
        ("retry", "rita", again),
        ("retry", "otto", AUDITOR),
        ("retry", "off", INACTIVE),
    )
    for verb, who, why in table:
        ask = getattr(permissions, f"why_not_{verb}")
        yield Row(
            f"why_not_{verb}",
            lambda w, ask=ask, who=who: ask(w.user(who), w.identity(), now=NOW),  # type: ignore[misc]  # defaults bind them
            why,
        )
    for verb in ("revoke", "suspend"):
        ask = getattr(permissions, f"why_not_{verb}")
        yield Row(
            f"why_not_{verb}",
            lambda w, ask=ask: ask(COUNTERSIGN, w.identity(), now=NOW),  # type: ignore[misc]  # defaults bind them
            None,
        )


def of_batches() -> Iterator[Row]:
    for who, why in (("rex", None), ("ines", None), ("off", INACTIVE), ("otto", AUDITOR)):
        yield Row(
            "signing.why_not_ask_many",
            lambda w, who=who: batches.why_not_ask_many(w.user(who), now=NOW),  # type: ignore[misc]  # a default binds it
            why,
        )


def _stated(w: World, name: str) -> Statement:
    person = Person.objects.get(users__username=name)
    return Statement(state="proposed", stated_person=person)


def _nobodys(w: World) -> User:
    User.objects.filter(username="rex").update(person=None)
    return w.user("rex")
