"""The rows of the table of permissions: of change freezes, and of what the brake holds."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from identities.permissions import AUDITOR, INACTIVE
from reviews import freeze_permissions
from reviews.campaigns import letting_out
from reviews.models import Campaign, Freeze, OutcomeBrake

from .conftest import DAY, NOW, person_of
from .permission_world import Row, World

ONLY = "Only a reviewer or an administrator may freeze what silence does."
LETTING = "Only a reviewer, a responder or an administrator may let out what the brake holds."
OVER = NOW + DAY


def freeze(w: World, state: str = "proposed") -> Freeze:
    """Of a day, proposed by Rita; what is more has been signed by an administrator."""
    more: dict[str, Any] = {}
    if state != "proposed":
        more = {"settled_person": person_of(w.user("root")), "settled_by_name": "Root"}
    row = Freeze.objects.create(
        state=state,
        since=NOW,
        until=OVER,
        asked=person_of(w.user("rita")),
        reason="x",
        proposed_at=NOW,
        proposed_by="x",
        proposed_person=person_of(w.user("rita")),
        **more,
    )
    Freeze.objects.filter(pk=row.pk).update(number=1)
    return Freeze.objects.get(pk=row.pk)


def braked(w: World, cuts: int = 2) -> Campaign:
    row = Campaign.objects.create(name="x", policy=w.policy, reason="x", made_at=NOW, made_by="x")
    Campaign.objects.filter(pk=row.pk).update(number=1)
    OutcomeBrake.objects.create(campaign=row, ended_at=NOW, looked_at=NOW, cuts=cuts, most=1)
    return Campaign.objects.get(pk=row.pk)


def of_freezes() -> Iterator[Row]:
    p: Any = freeze_permissions
    acts: dict[str, str] = {
        "why_not_sign_freeze": "proposed",
        "why_not_refuse_freeze": "proposed",
        "why_not_end_freeze": "in_force",
    }

    def asks(act: str, name: str, state: str, now: datetime = NOW) -> Callable[[World], Any]:
        return lambda w: getattr(p, act)(w.user(name), freeze(w, state), now=now)

    barred = (("off", INACTIVE), ("otto", AUDITOR), ("gus", ONLY), ("rex", ONLY))
    for name, said in (("rita", None), ("root", None), *barred):
        yield Row(
            "why_not_propose_freeze",
            lambda w, name=name: p.why_not_propose_freeze(w.user(name), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    for act, state in acts.items():
        for name, said in (("root", None), *barred):
            yield Row(act, asks(act, name, state), said)
    for act in ("why_not_sign_freeze", "why_not_refuse_freeze"):
        yield Row(act, asks(act, "root", "in_force"), "FRZ-1 is in force already, by Root.")
    sign, end = "why_not_sign_freeze", "why_not_end_freeze"
    yield Row(sign, asks(sign, "rita", "proposed"), "You proposed it: a second person signs.")
    over = "25 Nov 2026 12:00 UTC"
    said = f"It would have been over on {over}: refuse it."
    yield Row(sign, asks(sign, "root", "proposed", OVER), said)
    said = "FRZ-1 is refused: only what is in force is ended."
    yield Row(end, asks(end, "root", "refused"), said)
    yield Row(end, asks(end, "root", "in_force", OVER), f"FRZ-1 was over on {over}.")
    for name, said in (
        ("rita", None),
        ("rex", None),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        ("gus", LETTING),
    ):
        yield Row(
            "why_not_let_out",
            lambda w, name=name: letting_out.why_not_let_out(w.user(name), braked(w), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    yield Row(
        "why_not_let_out",
        lambda w: letting_out.why_not_let_out(w.user("rita"), braked(w, 1), now=NOW),
        "Nothing of CMP-1 is held.",
    )
