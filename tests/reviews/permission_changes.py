"""The rows of the table of permissions: of changes that wait for a second person."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from identities.actions import changes, two_person
from identities.actions.changes import Line
from identities.actions.registration import asking
from identities.models import Membership, Party, ProposedChange, Team
from identities.permissions import AUDITOR, INACTIVE, LEFT, NOBODY

from .conftest import DAY, NOW, person_of
from .permission_world import Row, World, barred, person

LATE = NOW + 14 * DAY
OWN = two_person.OWN
ONLY = asking.ONLY_REVIEWERS
SETTLED = "CHG-1 is refused already, by Root."
FINANCE = "Only a member of Finance may sign who joins or leaves it."


def change(w: World, state: str = "proposed", document: dict[str, Any] | None = None) -> Any:
    """Of the identity of the story, or of this document, proposed by Rita."""
    row = changes.propose(
        kind=asking.KIND,
        subject="x",
        title="x",
        document=document or {"identities": [{"name": w.identity().name, "purpose": "x"}]},
        lines=[Line("x", "y")],
        reason="x",
        by=w.user("rita"),
        now=NOW,
    )
    more = {} if state == "proposed" else {"settled_by_name": "Root"}
    ProposedChange.objects.filter(pk=row.pk).update(number=1, state=state, **more)
    return ProposedChange.objects.get(pk=row.pk)


def of_team(w: World) -> Any:
    """Gus joins Finance, in which Ines is, who signs with others what is Finance's."""
    team = Team.objects.create(name="Finance")
    Party.objects.create(team=team)
    Membership.objects.create(
        team=team, person=person_of(w.user("ines")), during=(NOW - DAY, None), recorded_at=NOW
    )
    return change(w, document={"people": [{"name": "Gus", "team": "Finance"}]})


def of_changes() -> Iterator[Row]:
    sign, refuse = "changes.why_not_sign_change", "changes.why_not_refuse_change"
    acts = {sign: changes.why_not_sign_change, refuse: changes.why_not_refuse_change}

    def asks(act: str, name: str, *, state: str = "proposed", now: datetime = NOW) -> Any:
        return lambda w: acts[act](w.user(name), change(w, state), now=now)

    unable = (("off", INACTIVE), ("otto", AUDITOR), ("nobody", NOBODY))
    for name, said in (("rita", None), ("gus", None), *unable):
        yield Row(
            "changes.why_not_take_part",
            lambda w, name=name: changes.why_not_take_part(w.user(name), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    yield Row(
        "changes.why_not_take_part",
        lambda w: changes.why_not_take_part(w.left("gus"), now=NOW),
        LEFT,
    )
    # Ines owns the identity.
    for name, said in (("root", None), ("ines", None), ("gus", ONLY), *unable):
        yield Row(sign, asks(sign, name), said)
        yield Row(refuse, asks(refuse, name), said)
    yield Row(sign, asks(sign, "rita"), OWN)
    yield Row(refuse, asks(refuse, "rita"), None)
    yield Row(sign, asks(sign, "root", state="refused"), SETTLED)
    yield Row(refuse, asks(refuse, "root", state="refused"), SETTLED)
    over = "CHG-1 is over: nobody signed it within 14 days. Propose it again."
    yield Row(sign, asks(sign, "root", now=LATE), over)
    yield from _second_persons()
    yield Row(
        "why_not_person",
        lambda w: barred(w, "gus", barred=[person("gus", w)]),
        "You cancelled the case before this one, or changed what it is about since: somebody else"
        " decides.",
    )
    yield from _of_entries()


def _second_persons() -> Iterator[Row]:
    for name, said in (("root", None), ("rita", OWN)):
        yield Row(
            "two_person.why_not_second",
            lambda w, name=name: two_person.why_not_second(w.user(name), change(w)),  # type: ignore[misc]  # a default binds it
            said,
        )
    yield Row("two_person.why_not_open", lambda w: two_person.why_not_open(change(w)), None)
    yield Row(
        "two_person.why_not_open", lambda w: two_person.why_not_open(change(w, "refused")), SETTLED
    )


def _of_entries() -> Iterator[Row]:
    name = "asking.why_not_sign"

    def asks(who: str, made: Callable[[World], Any]) -> Callable[[World], Any]:
        return lambda w: asking.why_not_sign(w.user(who), made(w), now=NOW)

    for who, said in (("root", None), ("ines", None), ("gus", ONLY)):
        yield Row(name, asks(who, change), said)
    for who, said in (
        ("ines", None),
        ("root", FINANCE),
        ("gus", "This is about you: somebody else signs it."),
    ):
        yield Row(name, asks(who, of_team), said)

    def renamed(w: World) -> Any:
        return change(w, document={"people": [{"name": "Gus", "manager": "Ines"}]})

    for who, said in (("root", None), ("ines", ONLY)):
        yield Row(name, asks(who, renamed), said)
