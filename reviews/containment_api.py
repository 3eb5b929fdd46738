"""Containment and playbooks for scripts: siblings of the pages over the same actions. A token signs
nothing, but for holds where a signed policy allows them (identities/api/deciding.py)."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identities.actions.batches import naming
from identities.api.deciding import reason_of
from identities.api.doors import door, named
from identities.api.identities import user_of
from identities.api.serializers import Reason, checked
from identities.permissions import NotPossible, require
from reviews.incidents import contained, containing, playbook_document, running, targets
from reviews.incidents import containment_rights as rights
from reviews.incidents import playbooks as actions
from reviews.models import ContainmentStep, Playbook, PlaybookRun
from reviews.models.containment import DOES
from reviews.pages import would_stop
from reviews.pages.containment_views import incident_of, step_of
from reviews.pages.playbook_views import (
    chosen_by,
    chosen_playbook,
    does_of,
    playbook_of,
    run_of,
    tried,
)
from reviews.policy_document import LONGEST_TEXT, DocumentError

MOST = 200


class StopIn(serializers.Serializer[Any]):
    """What is stopped. `dry_run`: only what it would do and break; `digest`: of that, to be asked
    again where it has changed. `both_seats`: they are asked, and nothing is done before."""

    does = serializers.ChoiceField(DOES)
    targets = serializers.ListField(
        child=serializers.CharField(max_length=naming.LONGEST), max_length=10_000
    )
    reason = Reason()
    left = serializers.DictField(required=False, default=None, allow_null=True)
    digest = serializers.CharField(max_length=64, default="", allow_blank=True)
    dry_run = serializers.BooleanField(default=False)
    both_seats = serializers.BooleanField(default=False)


class WhyIn(serializers.Serializer[Any]):
    reason = Reason()


class RunIn(serializers.Serializer[Any]):
    """`playbook`: its name and version, as leaked-key/2; `credential`, `others`: what it names."""

    playbook = serializers.CharField(max_length=80)
    credential = serializers.CharField(max_length=naming.LONGEST, default="", allow_blank=True)
    others = serializers.ListField(
        child=serializers.CharField(max_length=naming.LONGEST), default=list, max_length=1_000
    )
    reason = Reason()
    digest = serializers.CharField(max_length=64, default="", allow_blank=True)
    dry_run = serializers.BooleanField(default=False)
    request_key = serializers.CharField(max_length=200, allow_blank=True, default="")


class PlaybookIn(serializers.Serializer[Any]):
    """`document`: YAML or JSON as text."""

    slug = serializers.CharField(max_length=60)
    document = serializers.CharField(max_length=LONGEST_TEXT, trim_whitespace=False)
    reason = Reason()


def _far(far: contained.Far) -> dict[str, Any]:
    return {
        "requested_at": far.requested_at,
        "sent_at": far.sent_at,
        "confirmed_at": far.confirmed_at,
        "effective_at": far.effective_at,
        "attempts": far.attempts,
        "lives_on": list(far.residual),
        "failed": [
            {"revocation": one.key, "why": one.failed_why, "must_act": one.who_must_act}
            for one in far.failed
        ],
    }


def step_data(row: ContainmentStep) -> dict[str, Any]:
    """A step as JSON, target by target."""
    rows = list(
        row.targets.select_related("identity", "credential__actor", "delegation").order_by("place")
    )
    known = contained.revocations_of(rows)
    return {
        "step": row.key,
        "does": row.does,
        "title": row.title,
        "state": row.state,
        "reason": row.reason,
        "by": row.by_name,
        "signed_as": row.signed_as,
        "made_at": row.made_at,
        "begun_at": row.begun_at,
        "run": None if row.run is None else row.run.key,
        "digest": row.digest,
        "foreseen": row.foreseen,
        **_far(contained.of_step(rows, known)),
        "targets": [
            {
                "target": containing.Wanted(one.identity, one.credential, one.delegation).key,
                "words": one.words,
                "refused": one.failed_why,
                "released": one.released_words,
                "revocations": [known[pk].key for pk in one.revocations if pk in known],
                **_far(contained.of_target(one, known)),
            }
            for one in rows
        ],
        "undone_at": row.undone_at,
        "undone_by": row.undone_by_name,
        "undone_reason": row.undone_reason,
    }


@extend_schema(request=StopIn, responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"GET": "read", "POST": "act"})
def steps(request: Request, key: str) -> Response:
    """GET: what is stopped in an incident, and its clocks. POST: stop something in it, or try it
    out."""
    user, now = user_of(request), timezone.now()
    case = incident_of(user, key)
    if request.method == "GET":
        found = containing.state(case, now=now)
        rows = case.containment_steps.select_related("run").order_by("-number")[:MOST]
        return Response(
            {
                "contained_at": found.contained_at,
                "proved_at": found.proved_at,
                "revocations": found.asked,
                "effective": found.effective,
                "failed": found.failed,
                "steps": [step_data(one) for one in rows],
            }
        )
    require(rights.why_not_contain(user, case, "hold", case.identity, now=now))
    does = named(request, "does") or "hold"
    seats = isinstance(request.data, dict) and request.data.get("both_seats") is True
    why = (
        rights.why_not_ask_seats(user, case, now=now)
        if seats
        else rights.why_not_contain(user, case, does, case.identity, now=now)
    )
    require(why)
    data = checked(StopIn(data=request.data))
    those = targets.chosen(data["targets"], user, now=now)
    left = _left(data["left"])
    would = would_stop.look(case, data["does"], those, user, left=left, now=now)
    if data["dry_run"]:
        return Response(
            {
                "digest": would.digest,
                "why_not_known": would.why,
                "rows": would.rows,
                "breaks": would.facts,
            }
        )
    would_stop.same_as_shown(would.foreseen, data["digest"])
    does_it = containing.propose if seats else containing.contain
    row = does_it(
        case=case,
        does=data["does"],
        those=those,
        reason=reason_of(request, data["reason"]),
        left=left,
        foreseen=would.foreseen,
        by=user,
        now=now,
    )
    return Response(step_data(row), status=201)


def _left(said: dict[str, Any] | None) -> dict[str, Any] | None:
    if said is None:
        return None
    found = {name: said.get(name) for name in ("actions", "resources")}
    for name, those in found.items():
        if not isinstance(those, list) or not those or len(those) > playbook_document.MOST_PATTERNS:
            raise NotPossible(f"left: write the {name} that are left as a list of patterns.")
        if not all(isinstance(one, str) and one.strip() for one in those):
            raise NotPossible(f"left: write the {name} that are left as texts.")
    return found


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"GET": "read"})
def step(request: Request, key: str, step: str) -> Response:
    """One step, target by target."""
    return Response(step_data(step_of(user_of(request), key, step)))


@extend_schema(request=WhyIn, responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"POST": "act"})
def undo(request: Request, key: str, step: str) -> Response:
    """Let go what a step stopped."""
    user, now = user_of(request), timezone.now()
    row = step_of(user, key, step)
    require(rights.why_not_undo(user, row.case, row, now=now))
    data = checked(WhyIn(data=request.data))
    return Response(step_data(containing.undo(step=row, reason=data["reason"], by=user, now=now)))


def run_data(row: PlaybookRun) -> dict[str, Any]:
    """A run as JSON, with its steps."""
    found = list(row.steps.prefetch_related("targets").order_by("place"))
    return {
        "run": row.key,
        "playbook": f"{row.playbook.slug}/{row.playbook.version}",
        "state": row.state,
        "reason": row.reason,
        "signed_by": row.signed_by_name,
        "signed_as": row.signed_as,
        "signed_at": row.signed_at,
        "digest": row.digest,
        "waits_for": running.waits_for(row, found),
        "ended_at": row.ended_at,
        "ended_by": row.ended_by_name,
        "ended_reason": row.ended_reason,
        "steps": [step_data(one) for one in found],
    }


@extend_schema(request=RunIn, responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"GET": "read", "POST": "act"})
def runs(request: Request, key: str) -> Response:
    """GET: the playbooks that were run in an incident. POST: run one, or try it out."""
    user, now = user_of(request), timezone.now()
    case = incident_of(user, key)
    if request.method == "GET":
        rows = case.playbook_runs.select_related("playbook").order_by("-number")[:MOST]
        return Response(
            {"rows": [{"run": one.key, "playbook": str(one.playbook), "state": one.state,
                       "signed_at": one.signed_at} for one in rows]}
        )  # fmt: skip
    require(rights.why_not_stop_run(user, case, now=now))
    require(rights.why_not_run(user, case, does_of(named(request, "playbook")), now=now))
    data = checked(RunIn(data=request.data))
    playbook = chosen_playbook(data["playbook"])
    chosen = chosen_by(data["credential"], data["others"], user)
    found, foreseen = tried(playbook, case, chosen, user)
    if data["dry_run"]:
        said = [
            {
                "step": playbook_document.sentence(one.step),
                "rows": [] if would is None else would.rows,
                "breaks": [] if would is None else would.facts,
            }
            for one, would in found
        ]
        return Response({"digest": foreseen.digest, "steps": said})
    would_stop.same_as_shown(foreseen, data["digest"])
    row = running.run(
        playbook=playbook,
        case=case,
        chosen=chosen,
        reason=data["reason"],
        request_key=data["request_key"],
        foreseen=foreseen,
        by=user,
        now=now,
    )
    return Response(run_data(row), status=202)


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"GET": "read"})
def run(request: Request, key: str, run: str) -> Response:
    """How far a run is."""
    return Response(run_data(run_of(user_of(request), key, run)))


@extend_schema(request=WhyIn, responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"POST": "act"})
def stop(request: Request, key: str, run: str) -> Response:
    """What has not begun of a run does not begin."""
    user, now = user_of(request), timezone.now()
    row = run_of(user, key, run)
    require(rights.why_not_stop_run(user, row.case, now=now))
    data = checked(WhyIn(data=request.data))
    return Response(run_data(running.stop(run=row, reason=data["reason"], by=user, now=now)))


def playbook_data(row: Playbook) -> dict[str, Any]:
    """A version of a playbook as JSON."""
    return {
        "playbook": f"{row.slug}/{row.version}",
        "url": row.url,
        "state": row.state,
        "document": row.document,
        "reason": row.reason,
        "proposed_at": row.proposed_at,
        "proposed_by": row.proposed_by_name,
        "settled_at": row.settled_at,
        "settled_by": row.settled_by_name,
        "settled_reason": row.settled_reason,
    }


@extend_schema(request=PlaybookIn, responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"GET": "read", "POST": "act"})
def playbooks(request: Request) -> Response:
    """GET: what is in force and proposed. POST: propose a version, which another person signs."""
    user, now = user_of(request), timezone.now()
    if request.method == "GET":
        rows = Playbook.objects.filter(state__in=["in_force", "proposed"])
        return Response({"rows": [playbook_data(one) for one in rows.order_by("slug", "version")[:MOST]]})  # fmt: skip
    require(rights.why_not_propose_playbook(user, now=now))
    data = checked(PlaybookIn(data=request.data))
    try:
        row = actions.propose(
            slug=data["slug"], text=data["document"], reason=data["reason"], by=user, now=now
        )
    except DocumentError as wrong:
        problems = [{"path": path, "problem": what} for path, what in wrong.problems]
        return Response({"detail": "Nothing was proposed.", "problems": problems}, status=422)
    return Response(playbook_data(row), status=201)


@extend_schema(responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"GET": "read"})
def playbook(request: Request, slug: str, version: int) -> Response:  # noqa: ARG001 - as every door
    """One version."""
    return Response(playbook_data(playbook_of(slug, version)))


@extend_schema(request=None, responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"POST": "act"})
def sign(request: Request, slug: str, version: int) -> Response:
    """Put it in force: a second person, signed in."""
    user, now = user_of(request), timezone.now()
    row = playbook_of(slug, version)
    require(rights.why_not_sign_playbook(user, row, now=now))
    return Response(playbook_data(actions.sign(playbook=row, by=user, now=now)))


@extend_schema(request=WhyIn, responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"POST": "act"})
def refuse(request: Request, slug: str, version: int) -> Response:
    """It is never run."""
    user, now = user_of(request), timezone.now()
    row = playbook_of(slug, version)
    require(rights.why_not_refuse_playbook(user, row, now=now))
    data = checked(WhyIn(data=request.data))
    row = actions.refuse(playbook=row, reason=data["reason"], by=user, now=now)
    return Response(playbook_data(row))


@extend_schema(request=WhyIn, responses=OpenApiTypes.OBJECT, tags=["containment"])
@door({"POST": "act"})
def end(request: Request, slug: str, version: int) -> Response:
    """It is run no more."""
    user, now = user_of(request), timezone.now()
    row = playbook_of(slug, version)
    require(rights.why_not_end_playbook(user, row, now=now))
    data = checked(WhyIn(data=request.data))
    return Response(
        playbook_data(actions.end(playbook=row, reason=data["reason"], by=user, now=now))
    )
