"""Every act of the API tells who may not do it so, before it says anything of the body's members."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework import serializers

from identities.actions import changes
from identities.api.deciding import CONFIRM
from identities.models import Binding, ClaimAnswer, Finding, Identity, LinkProposal, Service, User
from identities.permissions import AUDITOR
from reviews import actions, break_glass_api, incidents_api
from reviews.actions import offers, policy_versions
from reviews.campaigns.acts import ACTS
from reviews.incidents import opening
from reviews.models import Bundle, Freeze, ModeRule, Succession, SuccessionItem
from tests.signed_in import by_hand

from .conftest import NOW, Told, make_user, party, person_of
from .failed_rows import waits
from .granted_rows import granted
from .holding import behaves, ruled, sweep
from .incidents.stops import begun
from .permission_accounts import used
from .permission_alerts import noted
from .permission_evidence import addresses_of_evidence, an_event
from .permission_glass import DOCUMENT
from .permission_glass import asked as asked_for
from .permission_recoveries import recovery
from .permission_sealed import used_out_of_band
from .test_campaigns import prepared

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
# How each address takes its body; filled by `addresses`.
VERBS: dict[str, str] = {}
# Each row of these has its own answer, and trying out what would be left changes nothing.
BY_ROW = {"api_activate_many", "api_attest_many", "api_name_many", "api_left"}

# Auditors take these out as well, and what is not theirs to take is absent (tests/reviews/packs).
TAKEN_OUT = {"api_packs", "api_pack_file", "api_pack_transfers", "api_capsules"}

SEALING = (
    "seal",
    "member_add",
    "member_remove",
    "subject_add",
    "unseal_ask",
    "unseal_drop",
    "unseal_sign",
)
SEALED = {"slug": "aws-key", "version": 1}


class Act(NamedTuple):
    """An address that changes something: what stands in it, who sees that and may not do it, and what
    its body names where the permission is one over what it names."""

    address: dict[str, Any]
    who: User
    names: dict[str, Any] = {}


def addresses() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and fixed arguments of every address of ours at which scripts change something."""

    def walk(under: Any, before: str) -> Iterator[tuple[str, URLPattern]]:
        for one in under:
            path = before + str(one.pattern)
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns, path)
            else:
                yield path, one

    for path, one in walk(get_resolver().url_patterns, ""):
        methods = getattr(getattr(one.callback, "cls", None), "http_method_names", ())
        if str(one.name) in TAKEN_OUT:
            continue
        if path.startswith("api/") and "put" not in methods and {"post", "patch"} & set(methods):
            VERBS[str(one.name)] = "POST" if "post" in methods else "PATCH"
            yield str(one.name), dict(one.default_args or {})


def members() -> dict[str, Any]:
    """Every member that any body of ours may have, with what none of them can be."""

    def kinds(of: type[Any]) -> Iterator[type[Any]]:
        for kind in of.__subclasses__():
            yield kind
            yield from kinds(kind)

    found = {
        name
        for kind in kinds(serializers.Serializer)
        if kind.__module__.startswith(("identities.", "reviews."))
        for name, field in kind().fields.items()
        if not field.read_only
    }
    return {name: {"no": ["such", {"thing": None}]} for name in sorted(found)}


@pytest.fixture
def acts(story: Told) -> dict[str, Act]:
    ines, rita = story.ines, story.rita
    responder, administrator = make_user("dora", "responder"), make_user("adam", "administrator")
    nobody = make_user("bot", "reviewer")
    User.objects.filter(pk=nobody.pk).update(person=None)
    identity = {"key": story.identity.key}
    case = actions.open_review(identity=story.identity, by=rita, now=NOW, reason="yearly")
    seat = {"seat": str(case.seats.get(kind="identity_owner").pk)}
    named = {"identity": story.identity.key}
    binding = Binding.objects.filter(identity=story.identity).first()
    assert binding is not None
    finding = Finding.objects.create(
        identity=story.identity, rule="no_run", strength=1, words="w",
        first_at=NOW, last_at=NOW, opened_at=NOW, state_at=NOW,
    )  # fmt: skip
    answered = ClaimAnswer.objects.create(
        answer="yes", party=party(ines), asked=1, by=ines.ref, by_name="Ines",
        person=person_of(ines), at=NOW, not_before=NOW + DAY,
    )  # fmt: skip
    offer = offers.offer(
        identity=story.identity, to="marek", how="hand_over", reason="moves", by=ines, now=NOW
    )
    item = SuccessionItem.objects.create(
        succession=Succession.objects.create(
            why="left", person=person_of(story.leila), at=NOW, noticed_at=NOW, deadline_at=NOW + DAY
        ),
        role="sponsor", identity=story.identity, was=party(story.leila), heir=party(ines),
        state="accepted",
    )  # fmt: skip
    link = LinkProposal.objects.create(
        identity=Identity.objects.create(name="svc-two", kind="workload", created_at=NOW),
        actor=binding.actor,
        other=story.identity,
        shared=True,
        reason="x",
        proposed_at=NOW,
        proposed_by=rita.ref,
        proposed_person=person_of(rita),
    )
    change = changes.propose(
        kind="registration",
        subject=story.identity.key,
        title="x",
        document={"identities": [{"name": story.identity.name}]},
        lines=[changes.Line("x", "y")],
        reason="x",
        by=rita,
        now=NOW,
    )
    policy = policy_versions.propose(
        name="agents", text='{"scope": {"kinds": ["agent"]}}', reason="r", by=rita, now=NOW
    )
    version = {"slug": policy.name, "version": policy.version}
    campaign = {"key": prepared(rita).key}
    service = Service.objects.get(pk=story.service.pk)
    rule = ruled(story, administrator)
    behaves()
    hold = {"key": sweep()[0].key}
    glass = {"key": asked_for(story).key}
    envelope = {"key": used_out_of_band().key}
    room, _ = opening.open_or_join(identity=story.identity, title="x", reason="x", by=ines, now=NOW)
    step, run = begun(room, by=ines, proposer=rita, signer=administrator)
    book = {"slug": "leaked-key", "version": 1}
    said: dict[str, Any] = {
        "reason": "x",
        "proposed_at": NOW,
        "proposed_by": rita.ref,
        "proposed_person": person_of(rita),
    }
    mode = ModeRule.objects.create(scope={"kinds": ["human"]}, mode="ask", **said)
    freeze = Freeze.objects.create(since=NOW, until=NOW + 2 * DAY, asked=person_of(rita), **said)
    Bundle.objects.create(slug="wider", version=1, document=DOCUMENT, **said)
    for row in (mode, freeze):
        row.refresh_from_db()
    spare = used("spare").account_id
    of_item = {"item": str(case.items.all()[0].pk)}
    evidence = addresses_of_evidence(administrator)
    return {
        **{name: Act(where, ines) for name, where in evidence.items()},
        # Whoever sees a case and its event may pin it, but for an auditor.
        "api_event_pin": Act(an_event(), story.otto, {"case": case.key}),
        "api_case_tie_break": Act({"key": case.key}, rita, of_item),
        "api_case_undo": Act({"key": case.key}, rita, of_item),
        "api_case_start": Act({"key": case.key}, story.otto),
        "api_case_cancel": Act({"key": case.key}, ines),
        "api_case_again": Act({"key": case.key}, responder),
        "api_case_release": Act({"key": case.key}, rita),
        **{f"api_held_{act}": Act({"key": case.key}, nobody) for act in ("release", "drop")},
        **{f"api_mode_{act}": Act({"key": mode.key}, ines) for act in ("sign", "refuse")},
        "api_mode_back": Act({"key": mode.key}, ines, {"mode": "observe"}),
        **{
            f"api_freeze_{act}": Act({"key": freeze.key}, ines) for act in ("sign", "refuse", "end")
        },
        **{
            f"api_bundle_{act}": Act({"slug": "wider", "version": 1}, ines)
            for act in ("sign", "refuse")
        },
        **{f"api_{kind}_new": Act({}, ines) for kind in ("mode", "freeze", "bundle")},
        **{f"api_outgoing_{act}": Act({}, ines) for act in ("propose", "sign", "refuse")},
        "api_containment": Act({"key": room.key}, rita),
        "api_containment_undo": Act({"key": room.key, "step": step}, rita),
        "api_playbook_runs": Act({"key": room.key}, rita),
        "api_playbook_run_stop": Act({"key": room.key, "run": run}, rita),
        "api_playbooks": Act({}, ines),
        **{f"api_playbook_{act}": Act(book, ines) for act in ("sign", "refuse", "end")},
        "api_incidents": Act({}, rita, named),
        **{
            f"api_incident_{act.replace('-', '_')}": Act({"key": room.key}, rita)
            for act in incidents_api.ACTS
        },
        "api_timeline": Act({"key": room.key}, rita),
        **dict.fromkeys(
            ("api_alert_match", "api_alert_dismiss"), Act({"key": noted(story.identity).key}, ines)
        ),
        "api_break_glass": Act({}, nobody, {"bundle": "contain"}),
        **{
            f"api_break_glass_{act.replace('-', '_')}": Act(glass, rita)
            for act in break_glass_api.ACTS
        },
        "api_sealed": Act({}, ines),
        "api_sealed_sign": Act(SEALED, nobody),
        "api_sealed_refuse": Act(SEALED, nobody),
        "api_sealed_drill": Act({"slug": "aws-key"}, nobody),
        "api_sealed_explain": Act(envelope, nobody),
        "api_sealed_decide": Act(envelope, nobody),
        "api_sealed_look_back": Act(envelope, nobody),
        "api_break_glass_account_use": Act({"pk": used("glass").pk}, nobody),
        "api_break_glass_account_new": Act({}, ines),
        **{f"api_break_glass_account_{act}": Act({"pk": spare}, ines) for act in ("seal", "end")},
        "api_campaign_outcomes_release": Act(campaign, nobody),
        "api_case_pin": Act({"key": case.key}, story.otto),
        **{f"api_claim_{act}": Act({}, ines) for act in ("pass_on", "wave_start", "wave_end")},
        "api_finding_assign": Act({"pk": finding.pk}, administrator),
        "api_hold_release": Act({"name": "cloudtrail", "number": 1}, ines),
        "api_sealed_incident": Act({}, rita, named),
        "api_recovery_cancel": Act({"pk": recovery(responder).pk}, nobody),
        "api_recovery_review": Act({"pk": recovery(ines, state="carried out").pk}, nobody),
        "api_register": Act({}, rita),
        "api_retire": Act(identity, rita),
        "api_revocations": Act(identity, rita),
        "api_cascade": Act(identity, rita),
        # Each target has its own answer; nobody but an auditor is kept from asking.
        "api_batches": Act({}, story.otto),
        "api_service_criticality": Act({"slug": service.slug}, responder),
        "api_bind": Act({}, responder, named),
        "api_confirm_by_rule": Act({}, ines),
        "api_confirm_binding": Act({"pk": binding.pk}, responder),
        "api_reject_binding": Act({"pk": binding.pk}, responder),
        "api_unbind": Act({"pk": binding.pk}, responder),
        "api_claim_answer": Act({}, rita, {"party": str(party(ines).pk)}),
        "api_claim_undo": Act({"pk": answered.pk}, rita),
        "api_claim_rule": Act({}, ines),
        "api_dispose_finding": Act({"pk": finding.pk}, administrator),
        **dict.fromkeys(
            ("api_grant_credentials", "api_grant_retry"),
            Act({"key": granted(story.identity, now=NOW, case=case.pk).key}, rita),
        ),
        # Whoever sees an identity may have it reviewed, but for an auditor.
        "api_open_review": Act({}, story.otto, named),
        "api_decide": Act({"key": case.key}, rita, seat),
        "api_hand_over": Act({"key": case.key}, rita, seat),
        "api_second_look": Act({"key": case.key}, rita),
        "api_request_access": Act({}, nobody, named),
        "api_policies": Act({}, ines),
        "api_policy_try": Act({}, ines),
        "api_sign_link": Act({"pk": link.pk}, rita),
        "api_refuse_link": Act({"pk": link.pk}, make_user("vera", "reviewer")),
        "api_change_sign": Act({"key": change.key}, rita),
        "api_change_refuse": Act({"key": change.key}, make_user("resi", "responder")),
        "api_policy_sign": Act(version, rita),
        "api_policy_refuse": Act(version, ines),
        "api_campaigns": Act({}, ines),
        **{f"api_campaign_{step}": Act(campaign, responder) for step in ACTS},
        # Nothing of a case that is not sealed; sealing takes a responder.
        **{f"api_{act}": Act({"key": case.key}, rita) for act in SEALING},
        "api_comment": Act({"key": case.key}, nobody),
        "api_manifests": Act({}, nobody, named),
        "api_people": Act({}, ines),
        "api_person": Act({"pk": person_of(story.marek).pk}, ines),
        "api_offer": Act({"pk": offer.pk}, rita),
        "api_succession": Act({"pk": item.pk}, ines),
        "api_activate": Act(identity, responder),
        "api_name": Act(identity, rita),
        "api_resume": Act(identity, nobody),
        "api_attest": Act(identity, rita),
        "api_vendor": Act(identity, responder),
        "api_identity_hand_over": Act(identity, rita),
        "api_restore": Act({"key": case.key}, rita),
        "api_hold_rules": Act({}, ines),
        "api_hold_rule_replay": Act({}, ines),
        **{
            f"api_hold_rule_{act}": Act({"key": rule.key}, ines)
            for act in ("sign", "refuse", "end")
        },
        "api_automatic_release": Act(hold, administrator),
        **{
            f"api_revocation_{step}": Act({"key": waits(story.identity, now=NOW).key}, rita)
            for step in ("state", "sign", "refuse", "retry")
        },
    }


class Asks:
    """Requests of these people. `confirmed`: whether each has just confirmed who they are."""

    def __init__(self, *, confirmed: bool = True) -> None:
        self.confirmed = confirmed
        self.headers: dict[str, dict[str, str]] = {}

    def post(
        self, act: Act, name: str, fixed: dict[str, Any], who: User, body: Any
    ) -> tuple[int, str]:
        """The status and what is said, or the members that are found wrong."""
        if who.username not in self.headers:
            self.headers[who.username] = by_hand(who, confirmed=self.confirmed)
        stated = {key: value for key, value in act.address.items() if key not in fixed}
        answer = Client().generic(
            VERBS[name],
            reverse(name, kwargs=stated or None),
            body if isinstance(body, str) else json.dumps(body),
            "application/json",
            headers=self.headers[who.username],
        )
        said = answer.json()
        return answer.status_code, str(said["detail"] if set(said) == {"detail"} else said)


def test_every_act_is_walked(acts: dict[str, Act]) -> None:
    assert {name for name, _ in addresses()} == set(acts) | BY_ROW


def test_an_auditor_is_told_so_whatever_the_body_says(story: Told, acts: dict[str, Act]) -> None:
    asks, said = Asks(), {}
    for name, fixed in addresses():
        act = acts.get(name, Act({}, story.otto))
        if name == "api_left":
            continue
        for body in ("{", members()):
            said[name, type(body).__name__] = asks.post(act, name, fixed, story.otto, body)
    assert {key: one for key, one in said.items() if one != (403, AUDITOR)} == {}
    assert len(said) > 80


@pytest.mark.parametrize("confirmed", [True, False])
def test_who_may_not_is_told_why_and_not_what_is_wrong_with_a_member(
    acts: dict[str, Act], confirmed: bool
) -> None:
    """Nor are they asked to confirm who they are, which would not help them."""
    asks, wrong = Asks(confirmed=confirmed), {}
    for name, fixed in addresses():
        if name in BY_ROW:
            continue
        act = acts[name]
        bodies: list[Any] = [members() | act.names, act.names]
        # Where the permission is over what stands in the address, no body is read at all.
        bodies += [] if act.names else ["{", ["a list"]]
        for body in bodies:
            status, said = asks.post(act, name, fixed, act.who, body)
            if (
                status != 403
                or said == CONFIRM
                or "lacks the scope" in said
                or not said.endswith(".")
            ):
                wrong[name, str(body)[:40]] = (status, said)
    assert wrong == {}


def test_nobody_who_sits_in_no_seat_is_asked_which_seat(acts: dict[str, Act]) -> None:
    act = acts["api_decide"]
    status, said = Asks().post(act, "api_decide", {}, act.who, {})
    assert (status, "Ines" in said) == (403, True)


def test_what_a_rule_would_confirm_is_for_who_sees_all(acts: dict[str, Act], story: Told) -> None:
    """It names the actors and identities of others."""
    act = acts["api_confirm_by_rule"]
    asked = {"dry_run": True}
    assert Asks().post(act, "api_confirm_by_rule", {}, story.ines, asked) == (
        403,
        "Unclaimed actors are nobody's yet: reviewers claim them.",
    )
    assert Asks().post(act, "api_confirm_by_rule", {}, story.rita, asked)[0] == 200
