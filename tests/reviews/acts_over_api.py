"""What each act of steering and of what two people sign needs before it, who does it and what is
true afterwards. Walked by test_acts_over_api.py."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from evidence.models import Event, LedgerEntry, LegalHold, Source
from identities import as_read
from identities.actions import outgoing, revocations
from identities.models import ClaimWave, Finding, OutgoingSwitch, ProposedChange, Team, User
from reviews import accounts, actions
from reviews.actions import freezing, modes
from reviews.campaigns import letting_out
from reviews.models import (
    BreakGlassAccount,
    Bundle,
    Campaign,
    Case,
    Decision,
    Freeze,
    Item,
    ModeRule,
    OutcomeBrake,
    Pinned,
    Rung,
)

from .conftest import DAY, NOW, Told, item_of, make_user, person_of, seat_of
from .permission_glass import DOCUMENT
from .test_held import hold
from .test_modes import AGENTS, agent
from .test_outcome_brake import END, campaign

WHY = {"reason": "because"}
SCOPE = {"scope": {"kinds": ["agent"]}}


class Try(NamedTuple):
    who: User
    address: dict[str, Any]
    body: dict[str, Any]
    look: Callable[[], Any]
    becomes: Any
    status: int = 200


def ada() -> User:
    found = User.objects.filter(username="ada").first()
    return found or make_user("ada", "administrator")


def _case(story: Told) -> Case:
    return actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")


def _ledger(case: Case, act: str) -> Callable[[], int]:
    return lambda: LedgerEntry.objects.filter(subject=case.key, act=act).count()


def _state(row: Any) -> Callable[[], Any]:
    return lambda: type(row).objects.values_list("state", flat=True).get(pk=row.pk)


def _states(model: Any, **narrowed: Any) -> Callable[[], list[str]]:
    return lambda: list(model.objects.filter(**narrowed).values_list("state", flat=True))


# --- what two people sign ---------------------------------------------------------------------------


def _mode(story: Told, mode: str = "ask") -> ModeRule:
    agent("a1")
    return modes.propose(**SCOPE, mode=mode, reason="ready", by=story.rita, now=NOW)


def mode_new(story: Told) -> Try:
    agent("a1")
    body = SCOPE | {"mode": "ask"} | WHY
    return Try(story.rita, {}, body, _states(ModeRule, scope=AGENTS), ["proposed"])


def mode_sign(story: Told) -> Try:
    row = _mode(story)
    return Try(ada(), {"key": row.key}, {}, _state(row), "in_force")


def mode_refuse(story: Told) -> Try:
    row = _mode(story)
    return Try(ada(), {"key": row.key}, WHY, _state(row), "refused")


def mode_back(story: Told) -> Try:
    row = modes.sign(rule=_mode(story), by=ada(), now=NOW)
    look = _states(ModeRule, back=True, mode="observe")
    return Try(story.rita, {"key": row.key}, WHY | {"mode": "observe"}, look, ["in_force"])


def _freeze(story: Told) -> Freeze:
    return freezing.propose(
        **SCOPE, since=NOW, until=NOW + 9 * DAY, asked=person_of(story.rita), reason="year end",
        by=story.rita, now=NOW,
    )  # fmt: skip


def freeze_new(story: Told) -> Try:
    times = {"since": NOW.isoformat(), "until": (NOW + 9 * DAY).isoformat()}
    body = SCOPE | times | {"asked": "rita@example.org"} | WHY
    return Try(story.rita, {}, body, _states(Freeze), ["proposed"])


def freeze_sign(story: Told) -> Try:
    row = _freeze(story)
    return Try(ada(), {"key": row.key}, {}, _state(row), "in_force")


def freeze_refuse(story: Told) -> Try:
    row = _freeze(story)
    return Try(ada(), {"key": row.key}, WHY, _state(row), "refused")


def freeze_end(story: Told) -> Try:
    row = freezing.sign(freeze=_freeze(story), by=ada(), now=NOW)
    return Try(story.rita, {"key": row.key}, WHY, _state(row), "ended")


def _bundle(story: Told) -> tuple[Bundle, dict[str, Any]]:
    row = Bundle.objects.create(
        slug="contain", version=1, document=DOCUMENT, reason="x", proposed_at=NOW,
        proposed_by=story.rita.ref, proposed_person=person_of(story.rita),
    )  # fmt: skip
    return row, {"slug": row.slug, "version": row.version}


def bundle_new(story: Told) -> Try:
    for name in ("Platform", "Security"):
        Team.objects.create(name=name)
    body = {"slug": "contain", "document": json.dumps(DOCUMENT)} | WHY
    return Try(story.rita, {}, body, _states(Bundle, slug="contain"), ["proposed"])


def bundle_sign(story: Told) -> Try:
    for name in ("Platform", "Security"):
        Team.objects.create(name=name)
    row, address = _bundle(story)
    return Try(ada(), address, {}, _state(row), "in_force")


def bundle_refuse(story: Told) -> Try:
    row, address = _bundle(story)
    return Try(ada(), address, WHY, _state(row), "refused")


def _switch(story: Told) -> OutgoingSwitch:
    return outgoing.propose(to="stopped", reason="keys vanish", by=story.rita, now=NOW)


def outgoing_propose(story: Told) -> Try:
    return Try(story.rita, {}, WHY | {"to": "stopped"}, _states(OutgoingSwitch), ["proposed"])


def outgoing_sign(story: Told) -> Try:
    _switch(story)
    return Try(ada(), {}, {}, outgoing.stopped, True)


def outgoing_refuse(story: Told) -> Try:
    return Try(ada(), {}, WHY, _state(_switch(story)), "refused")


# --- steering a case --------------------------------------------------------------------------------


def _answer(case: Case, who: User, said: str, seat: str) -> None:
    actions.decide(
        case=case, item=item_of(case, "credential"), seat=seat_of(case, seat), answer=said,
        reason="because", by=who, now=NOW, version=Case.objects.get(pk=case.pk).version,
    )  # fmt: skip


def case_tie_break(story: Told) -> Try:
    case = _case(story)
    _answer(case, story.ines, "keep", "identity_owner")
    _answer(case, story.samuel, "dont_know", "ai_owner")
    item = item_of(case, "credential")
    Case.objects.filter(pk=case.pk).update(deadline_at=NOW, grace=timedelta())
    version = Case.objects.get(pk=case.pk).version
    return Try(
        story.leila,
        {"key": case.key},
        WHY | {"item": str(item.pk), "answer": "keep", "version": version},
        lambda: Item.objects.get(pk=item.pk).outcome,
        "keep",
    )


def case_undo(story: Told) -> Try:
    case = _case(story)
    _answer(case, story.ines, "keep", "identity_owner")
    Decision.objects.update(not_before=NOW + DAY)
    item = item_of(case, "credential")
    rows = Decision.objects.filter(item=item, superseded_at=None)
    return Try(story.ines, {"key": case.key}, {"item": str(item.pk)}, rows.count, 0)


def case_start(story: Told) -> Try:
    case = _case(story)
    Case.objects.filter(pk=case.pk).update(state="draft")
    return Try(story.rita, {"key": case.key}, WHY, _state(case), "open")


def case_cancel(story: Told) -> Try:
    case = _case(story)
    return Try(story.rita, {"key": case.key}, WHY, _state(case), "cancelled")


def case_again(story: Told) -> Try:
    case = _case(story)
    Case.objects.filter(pk=case.pk).update(state="carrying_out", decided_at=NOW)
    return Try(story.rita, {"key": case.key}, {}, _ledger(case, "case.carried_again"), 1)


def case_release(story: Told) -> Try:
    case, rex = _case(story), make_user("rex", "responder")
    revocations.request(identity=story.identity, step="hold", by=rex, now=NOW, because="x")
    return Try(rex, {"key": case.key}, WHY, _ledger(case, "case.given_back"), 1)


def _rungs(story: Told) -> tuple[Case, list[Rung]]:
    case = _case(story)
    return case, hold(case, "suspend", "revoke")


def held_release(story: Told) -> Try:
    case, rows = _rungs(story)
    look = lambda: [Rung.objects.get(pk=one.pk).state for one in rows]  # noqa: E731 - as the others
    body = WHY | {"rungs": [rows[0].pk]}
    return Try(story.rita, {"key": case.key}, body, look, ["waiting", "held"])


def held_drop(story: Told) -> Try:
    case, rows = _rungs(story)
    look = lambda: [Rung.objects.get(pk=one.pk).state for one in rows]  # noqa: E731 - as the others
    return Try(story.rita, {"key": case.key}, WHY, look, ["dropped", "dropped"])


def case_pin(story: Told) -> Try:
    case, event = _case(story), Event.objects.all()[0]
    micros = int(event.at.timestamp()) * 1_000_000 + event.at.microsecond
    body = {"event": f"{micros}-{event.id}", "note": "the first"}
    look = lambda: list(Pinned.objects.filter(case=case).values_list("event_id", flat=True))  # noqa: E731 - as the others
    return Try(story.rita, {"key": case.key}, body, look, [event.id])


# --- and the rest -----------------------------------------------------------------------------------


def campaign_outcomes_release(story: Told) -> Try:
    one: Campaign = campaign(story, {"identities": 2})
    while letting_out.look_next(now=END):
        pass
    body = WHY | {"read": as_read.mark(letting_out.stands(one))}
    look = lambda: OutcomeBrake.objects.get().released_by_name  # noqa: E731 - as the others
    return Try(story.rita, {"key": one.key}, body, look, story.rita.called)


def finding_assign(story: Told) -> Try:
    row = Finding.objects.create(
        identity=story.identity, rule="no_run", strength=1, words="w",
        first_at=NOW, last_at=NOW, opened_at=NOW, state_at=NOW,
    )  # fmt: skip
    look = lambda: Finding.objects.get(pk=row.pk).assignee  # noqa: E731 - as the others
    return Try(story.rita, {"pk": row.pk}, {"assignee": "ines"}, look, story.ines)


def hold_release(story: Told) -> Try:
    source = Source.objects.get(name="cloudtrail")
    row = LegalHold.objects.create(
        source=source, reason="x", placed_at=NOW, placed_by="x", placed_name="X"
    )
    look = ProposedChange.objects.filter(document__hold=row.pk).exists
    return Try(ada(), {"name": "cloudtrail", "number": row.pk}, WHY, look, True, 202)


def sealed_incident(story: Told) -> Try:
    rex = make_user("rex", "responder")
    make_user("dora", "responder")
    body = {
        "identity": story.identity.key, "title": "Leaked", "what": "a key in a paste",
        "members": ["dora"], "subjects": ["ines"], "instead": {"identity_owner": "dora"},
    }  # fmt: skip
    look = lambda: list(  # noqa: E731 - as the others
        Case.objects.filter(door="incident").values_list("title", "sealed")
    )
    return Try(rex, {}, WHY | body, look, [("Incident: Leaked", True)], 201)


def claim_wave_start(story: Told) -> Try:
    look = lambda: list(ClaimWave.objects.values_list("share", "ended_at"))  # noqa: E731 - as the others
    return Try(story.rita, {}, WHY | {"share": 50}, look, [(50, None)], 201)


def claim_wave_end(story: Told) -> Try:
    ClaimWave.objects.create(
        at_once=3, share=90, patience_days=14, reason="x", started_at=NOW, started_by="x",
        started_by_name="X",
    )  # fmt: skip
    look = lambda: ClaimWave.objects.get().ended_by_name  # noqa: E731 - as the others
    return Try(story.rita, {}, WHY, look, story.rita.called)


def _account() -> BreakGlassAccount:
    row, _ = accounts.make(
        username="glass", roles=["administrator"], kept="the safe", by=ada(), now=NOW
    )
    return row


def break_glass_account_new(story: Told) -> Try:
    body = {"username": "glass", "roles": ["responder"], "kept": "the safe"}
    look = lambda: [  # noqa: E731 - as the others
        (one.user.username, one.codes.count()) for one in BreakGlassAccount.objects.all()
    ]
    return Try(ada(), {}, body, look, [("glass", 10)], 201)


def break_glass_account_seal(story: Told) -> Try:
    row = _account()
    rows = row.codes.filter(replaced_at__isnull=False)
    return Try(ada(), {"pk": row.pk}, {}, rows.count, 10)


def break_glass_account_end(story: Told) -> Try:
    row = _account()
    accounts.make(username="glass-2", roles=["responder"], kept="x", by=ada(), now=NOW)
    look = lambda: User.objects.get(pk=row.user_id).is_active  # noqa: E731 - as the others
    return Try(ada(), {"pk": row.pk}, WHY, look, False)


TRIES: Mapping[str, Callable[[Told], Try]] = {
    one.__name__: one
    for one in (
        mode_new, mode_sign, mode_refuse, mode_back, freeze_new, freeze_sign, freeze_refuse,
        freeze_end, bundle_new, bundle_sign, bundle_refuse, outgoing_propose, outgoing_sign,
        outgoing_refuse, case_tie_break, case_undo, case_start, case_cancel, case_again,
        case_release, held_release, held_drop, case_pin, campaign_outcomes_release,
        finding_assign, hold_release, sealed_incident, claim_wave_start, claim_wave_end,
        break_glass_account_new, break_glass_account_seal, break_glass_account_end,
    )
}  # fmt: skip
