"""Acts that the walk's plausible request does not get through: who may, with what body, in what state."""

from collections.abc import Callable
from typing import Any, NamedTuple

from evidence.models import Erasure, LegalHold, Source
from identities.models import Identity, Service, User
from reviews.models import (
    Campaign,
    Case,
    CaseMember,
    Freeze,
    HoldRule,
    ModeRule,
    OwnerOffer,
    Playbook,
    SealedCredential,
    Sealing,
    SuccessionItem,
)
from tests.reviews.conftest import NOW, person_of
from tests.road.insider_world import DAY, WORDS, World

type Ready = Callable[[World], dict[str, Any] | None]


class Try(NamedTuple):
    """Who sends what; `ready` brings the story into the state, and says what stands in the address."""

    who: str
    body: dict[str, Any] = {}
    ready: Ready = lambda _: None


def _sealed(world: World) -> dict[str, Any]:
    """The review, sealed to Marek and Rita; its end was asked for by Rita."""
    case = world.case
    for name in ("marek", "rita", "dora"):
        CaseMember.objects.create(
            case=case, person=person_of(User.objects.get(username=name)), since=NOW
        )
    rita = User.objects.get(username="rita")
    Case.objects.filter(pk=case.pk).update(sealed=True)
    Sealing.objects.create(
        case=case, reason="x", sealed_at=NOW, sealed_by=rita.ref, sealed_by_name="Rita", asked_at=NOW, asked_why="x", asked_person=person_of(rita),
    )  # fmt: skip
    return {"key": case.key}


def _sealed_unasked(world: World) -> dict[str, Any]:
    place = _sealed(world)
    Sealing.objects.update(asked_at=None, asked_person=None, asked_why="")
    return place


def _running(state: str) -> Ready:
    def ready(world: World) -> None:
        Campaign.objects.update(
            state=state, asked_at=NOW, launched_at=NOW, deadline_at=NOW + 9 * DAY
        )

    return ready


def _erasure(world: World) -> dict[str, Any]:
    """What waits in the story, asked by Rita."""
    rita, waiting = User.objects.get(username="rita"), Erasure.objects.filter(state="asked")
    waiting.update(asked_by=rita.ref, asked_name="Rita", asked_person=str(rita.person_id))
    return {"erasure": waiting.latest("asked_at").pk}


def _held(world: World) -> dict[str, Any]:
    row = LegalHold.objects.create(
        source=Source.objects.get(name="cloudtrail"), reason="x", placed_at=NOW, placed_by="x"
    )
    return {"name": "cloudtrail", "number": row.pk}


def _plain_identity(world: World) -> None:
    Service.objects.update(ai_system=False, ai_owner=None)


def _state(model: Any, state: str) -> Ready:
    """Signed by Adam, or proposed as before."""

    def ready(world: World) -> None:
        if state != "in_force":
            model.objects.update(state=state)
            return
        adam = User.objects.get(username="adam")
        by = {"settled_by": adam.ref, "settled_at": NOW, "settled_person": adam.person}
        model.objects.filter(state="proposed").exclude(proposed_person=adam.person).update(
            state=state, **by
        )

    return ready


def _draft(world: World) -> None:
    Identity.objects.filter(name="svc-report").update(
        state="draft", purpose="reports for the finance team each month"
    )


def _no_backup(world: World) -> None:
    Identity.objects.update(backup=None)


def _no_offer(world: World) -> None:
    OwnerOffer.objects.update(state="withdrawn", settled_at=NOW, settled_by="x")


_SOON = (NOW + DAY).isoformat()
_WHY = {"reason": WORDS}
TRIES: dict[str, list[Try]] = {
    "activate": [Try("ines", {}, _draft)],
    "retire": [Try("ines", _WHY, _plain_identity)],
    "name": [Try("ines", {"place": "backup", "to": "rita@example.org"} | _WHY,
                 _no_backup)],
    "identity_hand_over": [Try("ines", {"to": "rita@example.org", "how": "hand_over"} | _WHY,
                               _no_offer)],
    "offer": [Try("marek", {"answer": "accept"})],
    "offer_accept": [Try("marek")],
    "offer_decline": [Try("marek", _WHY)],
    "succession": [Try("ines", {"answer": "accept"}, _state(SuccessionItem, "asked"))],
    "succession_accept": [Try("ines", {}, _state(SuccessionItem, "asked"))],
    "succession_decline": [Try("ines", _WHY, _state(SuccessionItem, "asked"))],
    "seal": [Try("dora", {"members": ["marek@example.org"], "subjects": []} | _WHY),
             Try("dora", {"members": "marek@example.org\nrita@example.org", "subjects": ""} | _WHY)],
    "member_add": [Try("marek", {"person": "adam@example.org"} | _WHY, _sealed_unasked)],
    "member_remove": [Try("marek", {"person": "dora@example.org"} | _WHY, _sealed_unasked)],
    "subject_add": [Try("marek", {"person": "otto@example.org"} | _WHY, _sealed_unasked)],
    "unseal_ask": [Try("marek", _WHY, _sealed_unasked)],
    "unseal_sign": [Try("marek", {}, _sealed)],
    "unseal_drop": [Try("marek", _WHY, _sealed)],
    "campaign_pause": [Try("marek", _WHY, _running("running"))],
    "campaign_extend": [Try("marek", {"to": (NOW + 12 * DAY).isoformat()} | _WHY,
                            _running("running")),
                        Try("marek", {"to": "2026-12-10T12:00"} | _WHY, _running("running"))],
    "campaigns": [Try("marek", {"name": "yearly", "policy": "access review"} | _WHY)],
    "erasure_confirm": [Try("marek", {}, _erasure)],
    "erasure_refuse": [Try("marek", _WHY, _erasure)],
    "hold_release": [Try("adam", _WHY, _held)],
    "source_hold": [Try("adam", {"actor": "", "begins": "", "ends": ""} | _WHY)],
    "source_retention": [Try("adam", {"days": "30"} | _WHY)],
    "source_pause": [Try("adam", {"paused": "1"} | _WHY)],
    "mode_back": [Try("marek", {"mode": "observe"} | _WHY, _state(ModeRule, "in_force"))],
    "freeze_end": [Try("marek", _WHY, _state(Freeze, "in_force"))],
    "mode_new": [Try("marek", {"scope": {"kinds": ["workload"]}, "mode": "ask"} | _WHY),
                 Try("marek", {"scope": '{"kinds": ["workload"]}', "mode": "ask"} | _WHY)],
    "hold_rules": [Try("marek", {"classes": ["no_authority"], "scope": {}, "asked": "rita@example.org"} | _WHY)],
    "hold_rule_sign": [Try("marek", {}, _state(HoldRule, "proposed"))],
    "hold_rule_refuse": [Try("marek", _WHY, _state(HoldRule, "proposed"))],
    "playbook_sign": [Try("vera", {}, _state(Playbook, "proposed"))],
    "playbook_refuse": [Try("marek", _WHY, _state(Playbook, "proposed"))],
    "sealed_sign": [Try("marek", {}, _state(SealedCredential, "proposed"))],
    "sealed_refuse": [Try("marek", _WHY, _state(SealedCredential, "proposed"))],
    "playbooks": [Try("marek", {"slug": "other-key", "document": "words: x\nsteps: [{does: block,"
                                " targets: identity}]"} | _WHY)],
    "policies": [Try("marek", {"name": "agents two", "document": {"scope": {"kinds": ["agent"]}}}
                     | _WHY),
                 Try("marek", {"name": "agents two", "text": '{"scope": {"kinds": ["agent"]}}',
                               "document": '{"scope": {"kinds": ["agent"]}}'} | _WHY)],
    "policy_try": [Try("marek", {"name": "agents", "document": {"scope": {"kinds": ["agent"]}}})],
    "register": [Try("adam", {"name": "f.yaml", "text": "people: [{name: Zoe}]", "reason": "x"})],
    "people": [Try("adam", {"people": [{"name": "Zoe", "email": "zoe@example.org"}]} | _WHY)],
    "incident_drop": [Try("ines", {"number": 2} | _WHY)],
    "incident_severity": [Try("ines", {"severity": "critical"} | _WHY)],
    "incident_role": [Try("ines", {"role": "scribe", "to": "rita@example.org"})],
    "incident_hand_over": [Try("ines", {"to": "dora@example.org", "known": "x", "unknown": "y"})],
    "incident_task": [Try("ines", {"words": "tell", "owner": "rita@example.org", "due_at": _SOON}),
                      Try("ines", {"words": "tell", "owner": "rita@example.org",
                                   "due_at": "2026-11-26T17:00"})],
    "containment": [
        Try("ines", {"does": "hold", "targets": ["@credential"], "digest": ""} | _WHY),
        Try("ines", {"does": "revoke", "targets": ["@credential"], "both_seats": True} | _WHY),
    ],
    "request_access": [Try("marek", {"identity": "@identity", "actions": ["s3:GetObject"],
                                     "resources": ["invoices/*"], "purpose": "x",
                                     "ends_at": _SOON} | _WHY)],
    "packs": [Try("marek", {"subject": "@case"}), Try("marek", {"case": "@case"})],
    "batches": [Try("dora", {"names": ["@credential"], "step": "hold", "dry_run": True,
                             "because": WORDS, "request_key": "request-0001"})],
}  # fmt: skip
