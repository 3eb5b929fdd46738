"""The rows of the table of permissions: of automatic holds and their rules."""

from collections.abc import Callable, Iterator
from typing import Any

from identities.models import Finding, User
from identities.permissions import AUDITOR, INACTIVE
from reviews import automatic_permissions, permissions
from reviews.models import AutomaticHold, Case, HoldRule

from .conftest import NOW, person_of
from .permission_world import Row, World

ONLY = "Only a reviewer or an administrator may have findings hold by themselves."
OFF = "Only a reviewer, a responder or an administrator may switch automatic holds off."
IN = "automatic_permissions"
HOLDING = "Only a responder or who answers for svc-report may hold it."


def rule(w: World, state: str = "proposed") -> HoldRule:
    """Proposed by Rita; what is more has been signed by an administrator."""
    more: dict[str, Any] = {}
    if state != "proposed":
        more = {"settled_person": person_of(w.user("root")), "settled_by_name": "Root"}
    row = HoldRule.objects.create(
        state=state,
        classes=["no_authority"],
        per_hour=1,
        per_day=1,
        asked=person_of(w.user("rita")),
        replayed_days=30,
        reason="x",
        proposed_at=NOW,
        proposed_by="x",
        proposed_person=person_of(w.user("rita")),
        **more,
    )
    HoldRule.objects.filter(pk=row.pk).update(number=1)
    return HoldRule.objects.get(pk=row.pk)


def hold(w: World, state: str = "held", outcome: str = "") -> AutomaticHold:
    """Of the key of the story, in a case of its own."""
    case = incident(w)
    item = case.items.create(position=0, kind="identity", title="x", outcome=outcome)
    finding = Finding.objects.create(
        identity=w.story.identity,
        rule="no_authority",
        family="automatic",
        strength=3,
        words="x",
        first_at=NOW,
        last_at=NOW,
        opened_at=NOW,
        state_at=NOW,
    )
    settled: dict[str, Any] = {"settled_at": NOW, "settled_reason": "x"}
    row = AutomaticHold.objects.create(
        rule=rule(w, "in_force"),
        finding=finding,
        identity=w.story.identity,
        case=case,
        item=item,
        state=state,
        words="x",
        event_at=NOW,
        event_id=1,
        events=1,
        strength=3,
        received_at=NOW,
        found_at=NOW,
        decided_at=NOW,
        **(settled if state in ("released", "final") else {}),
    )
    AutomaticHold.objects.filter(pk=row.pk).update(number=1)
    return AutomaticHold.objects.get(pk=row.pk)


def incident(w: World, state: str = "in_review") -> Case:
    row = Case.objects.create(
        door="incident",
        state=state,
        title="x",
        identity=w.story.identity,
        opened_at=NOW,
        opened_by="x",
        deadline_at=NOW,
    )
    Case.objects.filter(pk=row.pk).update(number=77)
    return Case.objects.get(pk=row.pk)


def of_automatic_holds() -> Iterator[Row]:
    p: Any = automatic_permissions
    barred = (("off", INACTIVE), ("otto", AUDITOR), ("gus", ONLY), ("rex", ONLY))

    def asks(act: str, name: str, of: Callable[[World], Any]) -> Callable[[World], Any]:
        return lambda w: getattr(p, act)(w.user(name), of(w), now=NOW)

    def ruled(state: str) -> Callable[[World], HoldRule]:
        return lambda w: rule(w, state)

    for name, said in (("rita", None), ("root", None), *barred):
        yield Row(
            f"{IN}.why_not_propose_hold_rule",
            lambda w, name=name: p.why_not_propose_hold_rule(w.user(name), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    for act in ("why_not_sign_hold_rule", "why_not_refuse_hold_rule"):
        for name, said in (("root", None), *barred):
            yield Row(f"{IN}.{act}", asks(act, name, ruled("proposed")), said)
        yield Row(
            f"{IN}.{act}",
            asks(act, "root", ruled("in_force")),
            "AUTO-1 is in force already, by Root.",
        )
    sign, end = "why_not_sign_hold_rule", "why_not_end_hold_rule"
    yield Row(
        f"{IN}.{sign}",
        asks(sign, "rita", ruled("proposed")),
        "You proposed it: a second person signs.",
    )
    for name, said in (
        ("rita", None),
        ("rex", None),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        ("gus", OFF),
    ):
        yield Row(f"{IN}.{end}", asks(end, name, ruled("in_force")), said)
    over = "AUTO-1 is refused: only what is in force is switched off."
    yield Row(f"{IN}.{end}", asks(end, "root", ruled("refused")), over)
    release = "why_not_release_hold"
    for name, said in (
        ("rex", None),
        ("ines", None),
        ("rita", None),  # the rule names her
        ("root", HOLDING),
        ("gus", HOLDING),
        ("off", INACTIVE),
        ("otto", AUDITOR),
    ):
        yield Row(f"{IN}.{release}", asks(release, name, hold), said)
    yield Row(
        f"{IN}.{release}",
        asks(release, "rex", lambda w: hold(w, "released")),
        "AH-1 holds nothing now.",
    )
    decided = "It has been decided and goes out: what is revoked is issued anew."
    yield Row(f"{IN}.{release}", asks(release, "rex", lambda w: hold(w, outcome="revoke")), decided)
    subject = "You are the subject of this hold: somebody else releases it."
    yield Row(f"{IN}.{release}", lambda w: himself(w, release, hold), subject)
    yield Row(f"{IN}.{release}", nobodys, permissions.NOBODY)


def himself(w: World, act: str, of: Callable[[World], Any]) -> Any:
    """Of an identity that is the responder."""
    made = of(w)
    identity = w.identity(kind="human", name="rex@example.org")
    made.identity = identity
    return getattr(automatic_permissions, act)(w.user("rex"), made, now=NOW)


def nobodys(w: World) -> Any:
    """A responder's login with no person behind it."""
    row = hold(w)
    User.objects.filter(username="rex").update(person=None)
    return automatic_permissions.why_not_release_hold(w.user("rex"), row, now=NOW)
