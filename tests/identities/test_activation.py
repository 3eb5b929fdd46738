"""No path makes an identity active without owner, purpose and expiry; moves and who may."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import IntegrityError, connection, transaction

from evidence.models import LedgerEntry
from identities.acting import COMMAND, COUNTERSIGN
from identities.actions import identities as actions
from identities.actions import registration
from identities.models import Attestation, Identity, IdentityState, Service, User
from identities.permissions import NotAllowed, NotPossible
from identities.register import RegisterError, read
from tests.admin_site import admin_site
from tests.identities.conftest import DAY, NOW, party

pytestmark = pytest.mark.django_db

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("owned", "purpose", "expires", "sentence"),
    [
        (
            False,
            "",
            False,
            "svc-report cannot become active without an owner, a purpose and an expiry.",
        ),
        (True, "", False, "svc-report cannot become active without a purpose and an expiry."),
        (True, "reports", False, "svc-report cannot become active without an expiry."),
        (False, "reports", True, "svc-report cannot become active without an owner."),
        (True, " ", True, "svc-report cannot become active without a purpose."),
    ],
)
def test_activation_names_what_is_lacking(
    identity: Make, user: Make, owned: bool, purpose: str, expires: bool, sentence: str
) -> None:
    row = identity(
        owner=user("o") if owned else None,
        purpose=purpose,
        expires_at=NOW + DAY if expires else None,
    )
    with pytest.raises(NotPossible) as refused:
        actions.activate(identity=row, by=COMMAND, now=NOW)
    row.refresh_from_db()
    assert (str(refused.value), row.state) == (sentence, "draft")


def test_activation_inherits_from_the_service(identity: Make, user: Make, service: Make) -> None:
    one = service("reporting", owner=party(user("ann")), purpose="reports")
    row = identity(service=one, expires_at=NOW + DAY)
    done = actions.activate(identity=row, by=user("rev", "reviewer"), now=NOW)
    done.refresh_from_db()
    assert (done.state, str(done.owner), done.purpose, sorted(done.inherited)) == (
        "active",
        "Ann",
        "reports",
        ["owner", "purpose"],
    )
    assert list(IdentityState.objects.values_list("state", "during__startswith", "by")) == [
        ("active", NOW, User.objects.get(username="rev").ref)
    ]
    assert list(LedgerEntry.objects.order_by("pk").values_list("act", "subject")) == [
        ("identity.activated", done.key)
    ]


def test_activation_after_the_expiry_is_refused(identity: Make, user: Make) -> None:
    row = identity(owner=user("o"), purpose="x", expires_at=NOW)
    with pytest.raises(NotPossible, match="attest it anew"):
        actions.activate(identity=row, by=COMMAND, now=NOW)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE identities_identity SET state = 'active' WHERE name = 'svc-report'",
        "UPDATE identities_identity SET state = 'active', purpose = 'x' WHERE name = 'svc-report'",
        "UPDATE identities_identity SET state = 'suspended' WHERE name = 'svc-report'",
    ],
)
def test_sql_cannot_make_it_active(identity: Make, statement: str) -> None:
    identity()
    with pytest.raises(IntegrityError, match="identity_active_is_attested"), transaction.atomic():
        connection.cursor().execute(statement)


def test_active_identity_cannot_lose_owner_purpose_or_expiry(active: Make) -> None:
    row = active()
    for lost in ({"owner": None}, {"purpose": ""}, {"expires_at": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Identity.objects.filter(pk=row.pk).update(**lost)


def test_register_makes_drafts_only_and_cannot_empty_an_active_one(active: Make) -> None:
    active()
    with pytest.raises(RegisterError) as refused:
        registration.register(
            entries=read("x.yaml", "identities: [{name: svc-report, purpose: ''}]"),
            by=COMMAND,
            now=NOW,
        )
    assert [problem.path for problem in refused.value.problems] == ["identities[0].purpose"]
    registration.register(
        entries=read(
            "x.yaml",
            "people: [{name: A}]\nidentities: [{name: new, kind: agent,"
            " owner: A, purpose: p, expires: 90d}]",
        ),
        by=COMMAND,
        now=NOW,
    )
    assert Identity.objects.get(name="new").state == "draft"


def test_register_file_has_no_word_for_state() -> None:
    with pytest.raises(RegisterError) as refused:
        read("x.yaml", "identities: [{name: new, kind: agent, state: active}]")
    assert [problem.path for problem in refused.value.problems] == ["identities[0].state"]


MOVES = ("activate", "suspend", "resume", "retire")
GRID = {
    ("draft", "activate"): "active",
    ("draft", "retire"): "retired",
    ("active", "suspend"): "suspended",
    ("active", "retire"): "retired",
    ("suspended", "resume"): "active",
    ("suspended", "retire"): "retired",
}


@pytest.mark.parametrize("state", ["draft", "active", "suspended", "retired"])
@pytest.mark.parametrize("move", MOVES)
def test_every_move_from_every_state(active: Make, state: str, move: str) -> None:
    row = active(state=state)
    said: dict[str, Any] = {"identity": row, "by": COUNTERSIGN, "now": NOW}
    if move != "activate":
        said["because"] = "test"
    verbs: dict[str, Callable[..., object]] = {
        "activate": actions.activate,
        "suspend": actions.suspend,
        "resume": actions.resume,
        "retire": actions.retire,
    }
    verb = verbs[move]
    wanted = GRID.get((state, move))
    if wanted is None:
        with pytest.raises(NotPossible):
            verb(**said)
        wanted = state
    else:
        verb(**said)
    row.refresh_from_db()
    assert row.state == wanted


WHO = ("reviewer", "owner", "responder", "auditor", "administrator", "nobody", "its owner")
ALLOWED = {
    "activate": {"reviewer", "administrator", "its owner"},
    "attest": {"its owner"},
    "hold": {"responder", "its owner"},
    "suspend": set(),
    "resume": set(),
    "retire": {"its owner"},
}
BEFORE = {"activate": "draft", "resume": "suspended"}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("verb", sorted(ALLOWED))
def test_who_may(active: Make, user: Make, who: str, verb: str) -> None:
    owner = user("the-owner", "owner")
    row = active(owner=owner, state=BEFORE.get(verb, "active"))
    by = owner if who == "its owner" else user("somebody", *([] if who == "nobody" else [who]))
    calls: dict[str, Callable[[], object]] = {
        "activate": lambda: actions.activate(identity=row, by=by, now=NOW),
        "attest": lambda: actions.attest(
            identity=row, purpose="p", expires_at=NOW + DAY, by=by, now=NOW
        ),
        "hold": lambda: actions.hold(identity=row, by=by, now=NOW, because="x"),
        "suspend": lambda: actions.suspend(identity=row, by=by, now=NOW, because="x"),
        "resume": lambda: actions.resume(identity=row, by=by, now=NOW, because="x"),
        "retire": lambda: actions.retire(identity=row, by=by, now=NOW, because="x"),
    }
    if who in ALLOWED[verb]:
        calls[verb]()
        assert LedgerEntry.objects.count() == 1
    else:
        with pytest.raises(NotAllowed):
            calls[verb]()
        assert LedgerEntry.objects.count() == 0


def test_auditor_changes_nothing_even_with_other_groups(active: Make, user: Make) -> None:
    row = active()
    both = user("both", "auditor", "responder")
    with pytest.raises(NotAllowed, match="auditors read everything and change nothing"):
        actions.hold(identity=row, by=both, now=NOW, because="x")


def test_retiring_an_ai_systems_identity_takes_a_case(
    active: Make, user: Make, service: Make
) -> None:
    owner = user("ann", "owner")
    row = active(owner=owner, service=service("triage", ai_system=True))
    with pytest.raises(NotAllowed, match="takes both seats"):
        actions.retire(identity=row, by=owner, now=NOW, because="x")


def test_attestation_is_a_dated_statement_of_a_person(active: Make, user: Make) -> None:
    owner = user("ann", "owner")
    row = active(owner=owner)
    actions.attest(
        identity=row, purpose="monthly reports", expires_at=NOW + 30 * DAY, by=owner, now=NOW
    )
    row.refresh_from_db()
    assert (row.purpose, row.expires_at) == ("monthly reports", NOW + 30 * DAY)
    assert list(Attestation.objects.values_list("attested_by__name", "expires_at")) == [
        ("Ann", NOW + 30 * DAY)
    ]
    with pytest.raises(NotPossible, match="must lie ahead"):
        actions.attest(identity=row, purpose="p", expires_at=NOW, by=owner, now=NOW)


def test_hold_and_release_are_stretches_of_time(active: Make, user: Make) -> None:
    row, responder = active(), user("rita", "responder")
    assert actions.hold(identity=row, by=responder, now=NOW, because="odd calls")
    assert not actions.hold(identity=row, by=responder, now=NOW + DAY, because="again")
    assert actions.release(identity=row, by=responder, now=NOW + 2 * DAY, because="explained")
    assert [
        (s.state, s.during.lower, s.during.upper)
        for s in IdentityState.objects.filter(superseded_at__isnull=True).order_by("during")
    ] == [("held", NOW, NOW + 2 * DAY), ("active", NOW + 2 * DAY, None)]


def test_service_constraint_still_names_criticality(service: Make) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Service.objects.create(slug="x", name="x", criticality="huge")


def test_admin_shows_every_list(admin_client: Any, active: Make, settings: Any) -> None:
    active()
    names = sorted(
        model._meta.model_name or ""
        for model in admin.site._registry
        if model._meta.app_label == "identities"
    )
    with admin_site(settings):
        answers = {
            name: admin_client.get(f"/admin/identities/{name}/").status_code for name in names
        }
    assert answers == dict.fromkeys(names, 200)
