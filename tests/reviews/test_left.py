"""Narrowing as a form: what was used is offered, what is left is checked, what it refuses is said."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from identities.authority import Grant
from identities.models import DelegationVersion, User
from identities.permissions import NotPossible
from reviews import actions
from reviews.actions import narrowing
from reviews.forms import DecideForm, numbered, ticked
from reviews.models import Case, Decision
from reviews.pages import left as left_page
from reviews.pages import weighing
from reviews.used import Use
from tests.signed_in import sure

from .conftest import DAY, HOUR, NOW, Told, ingest, item_of, record, seat_of

pytestmark = pytest.mark.django_db
PARENT = Grant("DLG-7", 1, ("s3:Get*", "s3:PutObject"), ("invoices/*", "reports/*"))


def client_of(user: User) -> Client:
    found = Client()
    found.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return sure(found)


def sent(case: Case, **more: Any) -> dict[str, Any]:
    return {
        "item": str(item_of(case, "delegation").pk),
        "seat": str(seat_of(case, "identity_owner").pk),
        "version": Case.objects.get(pk=case.pk).version,
        "answer": "narrow",
        "reason": "because",
        "left_shown": "1",
        "proposal": "",
    } | more


@pytest.mark.parametrize(
    ("actions_left", "resources_left", "said"),
    [
        (["s3:GetObject"], ["invoices/*"], []),
        (["s3:GetObject", "s3:PutObject"], ["invoices/2026/*", "reports/*"], []),
        (["s3:*"], ["invoices/*"], [("s3:*", "DLG-7 has s3:Get*, s3:PutObject")]),
        (["s3:GetObject"], ["*"], [("*", "DLG-7 has invoices/*, reports/*")]),
        (
            ["s3:GetObject", "sqs:SendMessage"],
            ["invoices/*", "hr/*"],
            [("sqs:SendMessage", "goes beyond it"), ("hr/*", "goes beyond it")],
        ),
        (["s3:Get?bject"], ["invoices/*"], [("s3:Get?bject", "write `*`")]),
        (["s3:GetObject"], ["invoices/${aws:username}"], [("invoices/${aws:username}", "policy")]),
    ],
)
def test_problems_name_the_pattern(
    actions_left: list[str], resources_left: list[str], said: list[tuple[str, str]]
) -> None:
    found = narrowing.problems(PARENT, {"actions": actions_left, "resources": resources_left})
    assert [one.pattern for one in found] == [pattern for pattern, _ in said]
    assert all(words in one.words for one, (_, words) in zip(found, said, strict=True))


def test_lines_are_numbered_as_they_were_written() -> None:
    text = "s3:GetObject on invoices/*\n\n  s3:PutObject\nreports/*\ns3:PutObject"
    assert numbered(text) == {
        "s3:GetObject": 1,
        "invoices/*": 1,
        "s3:PutObject": 3,
        "reports/*": 4,
    }


def use(action: str, family: str, lately: int, plane: int = 1) -> Use:
    return Use(action, family, plane, lately, lately, lately, NOW - DAY, NOW)


def test_effect_counts_what_would_have_been_refused(story: Told) -> None:
    row = DelegationVersion.objects.select_related("delegation").get()
    used = [
        use("s3:GetObject", "invoices/*", 40),
        use("s3:HeadObject", "reports/*", 3),  # AWS checks GetObject for it
        use("s3:PutObject", "reports/*", 2),
        use("s3:GetObject", "elsewhere/*", 9),  # not inside this delegation
        use("sqs:SendMessage", "queue", 8),
        use("s3:GetObject", "invoices/*", 7, plane=2),  # an agent's step, not a call
        use("s3:PutObject", "invoices/*", 0),  # long ago
    ]

    def of(actions_left: list[str], resources: list[str], others: Any = ()) -> tuple[Any, ...]:
        left = {"actions": actions_left, "resources": resources}
        found = narrowing.effect(row, left, others=others, used=used, now=NOW)
        names = [[f"{one.action} {one.family}" for one in part] for part in found[1:]]
        return found.calls, *names

    everything = ["s3:GetObject", "s3:PutObject"]
    assert of(everything, ["invoices/*", "reports/*"]) == (45, [], [])
    assert of(["s3:GetObject"], ["invoices/*"]) == (
        45,
        ["s3:HeadObject reports/*", "s3:PutObject reports/*"],
        [],
    )
    # Part of a family is left: the daily sums cannot tell which calls were of it.
    assert of(everything, ["invoices/2026/*", "reports/*"]) == (45, [], ["s3:GetObject invoices/*"])
    # What another delegation allows as well is not refused.
    assert of(["s3:GetObject"], ["invoices/*"], [row]) == (45, [], [])


def form_of(case: Case, asked: dict[str, str] | None = None) -> Any:
    weighed = weighing.read(case, now=NOW)
    return left_page.form(item_of(case, "delegation"), weighed, asked or {})


def boxes(form: Any) -> dict[str, list[tuple[str, bool, str]]]:
    return {
        name: [(one["value"], one["on"], one["note"]) for one in form[name]]
        for name in ("actions", "resources")
    }


def test_what_was_used_is_ticked(story: Told, case: Case) -> None:
    assert boxes(form_of(case)) == {
        "actions": [
            ("s3:GetObject", True, "5 calls, last 24 Nov 2026"),
            ("s3:PutObject", False, "not seen"),
        ],
        "resources": [
            ("invoices/*", True, "5 calls, last 24 Nov 2026"),
            ("reports/*", False, "not seen"),
        ],
    }
    assert left_page.chosen(form_of(case)) == {
        "actions": ["s3:GetObject"],
        "resources": ["invoices/*"],
    }


def test_under_a_wildcard_stands_what_was_used_of_it(story: Told, case: Case) -> None:
    DelegationVersion.objects.update(actions=["s3:*"], resources=["*"])
    assert boxes(form_of(case)) == {
        "actions": [
            ("s3:*", False, "5 calls, last 24 Nov 2026"),
            ("s3:GetObject", True, "5 calls, last 24 Nov 2026"),
        ],
        "resources": [("*", True, "5 calls, last 24 Nov 2026")],
    }


def test_without_evidence_nothing_is_ticked_and_nothing_is_called_unused(
    story: Told, case: Case
) -> None:
    from identities.models import UsageDay

    UsageDay.objects.all().delete()
    form = form_of(case)
    assert [note for part in boxes(form).values() for *_, note in part] == ["no evidence"] * 4
    assert not any(on for part in boxes(form).values() for _, on, _ in part)
    page = (
        client_of(story.ines)
        .get(f"/cases/{case.key}/?item={item_of(case, 'delegation').pk}")
        .content.decode()
    )
    assert "Nothing is ticked: no evidence of its use is known here" in page
    assert "If nobody can say, answer Don't know" in page
    assert "unused" not in page


def test_check_says_what_it_refuses_and_stores_nothing(story: Told, case: Case) -> None:
    ingest([record(90, "PutObject", "reports/1.pdf", NOW - 2 * HOUR)])
    said = sent(case, left_action=["s3:GetObject"], left_resource=["invoices/*", "reports/*"])
    page = client_of(story.ines).post(f"/cases/{case.key}/left/", said).content.decode()
    assert "Of 6 calls inside it in the last 90 days, 1 would have been refused" in page
    assert "refused: s3:PutObject on reports/*, 1 call" in page
    assert 'name="left_resource" value="reports/*" checked' in page
    assert Decision.objects.count() == 0
    # A line that reaches beyond is named by its number.
    wider = sent(case, left_action=["s3:GetObject"], proposal="invoices/2026/*\nhr/*")
    page = client_of(story.ines).post(f"/cases/{case.key}/left/", wider).content.decode()
    assert "Line 2, hr/* goes beyond it" in page


def test_form_signs_what_is_ticked_and_written(story: Told, case: Case) -> None:
    client = client_of(story.ines)
    said = sent(case, left_action=["s3:GetObject"], proposal="invoices/2026/*")
    assert client.post(f"/cases/{case.key}/decide/", said).status_code == 302
    assert Decision.objects.get().proposal == {
        "actions": ["s3:GetObject"],
        "resources": ["invoices/2026/*"],
    }


def test_refused_form_keeps_its_boxes_and_lines(story: Told, case: Case) -> None:
    client = client_of(story.ines)
    said = sent(case, left_action=["s3:PutObject"], proposal="hr/*")
    answer = client.post(f"/cases/{case.key}/decide/", said)
    page = answer.content.decode()
    assert (answer.status_code, Decision.objects.count()) == (409, 0)
    assert "Line 1, hr/* goes beyond it" in page
    assert 'value="s3:PutObject" checked' in page
    assert 'value="s3:GetObject" checked' not in page
    none = client.post(f"/cases/{case.key}/decide/", sent(case, left_resource=["invoices/*"]))
    assert none.status_code == 409
    assert "Say which actions are left" in none.content.decode()


def test_pattern_that_no_compiler_reads_is_refused(story: Told, case: Case) -> None:
    DelegationVersion.objects.update(actions=["s3:*"])
    with pytest.raises(NotPossible, match="write `\\*`"):
        actions.decide(
            case=case,
            item=item_of(case, "delegation"),
            seat=seat_of(case, "identity_owner"),
            answer="narrow",
            reason="x",
            by=story.ines,
            now=NOW + timedelta(seconds=1),
            version=Case.objects.get(pk=case.pk).version,
            proposal={"actions": ["s3:Get?bject"], "resources": ["invoices/*"]},
        )


def test_api_says_the_same(story: Told, case: Case) -> None:
    client = client_of(story.samuel)
    item = str(item_of(case, "delegation").pk)
    address = f"/api/cases/{case.key}/left/"

    def asked(**proposal: list[str]) -> Any:
        body = {"item": item, "proposal": proposal}
        return client.post(address, body, content_type="application/json").json()

    found = asked(actions=["s3:PutObject"], resources=["invoices/*"])
    assert (found["narrows"], found["calls"]) == (True, 5)
    assert found["refused"] == [{"action": "s3:GetObject", "family": "invoices/*", "calls": 5}]
    wider = asked(actions=["s3:*"], resources=["invoices/*"])
    assert (wider["narrows"], wider["problems"][0]["pattern"]) == (False, "s3:*")
    other = {"item": str(item_of(case, "credential").pk), "proposal": {}}
    assert client.post(address, other, content_type="application/json").status_code == 409


def test_boxes_are_bounded() -> None:
    from django.http import QueryDict

    many = QueryDict("&".join(f"left_action=a{at}" for at in range(500)))
    assert len(ticked(many)["left_action"].splitlines()) == 200
    form = DecideForm(many)
    form.is_valid()
    assert len(form.cleaned_data["left_action"]) == 500
    form.cleaned_data["proposal"] = ""
    with pytest.raises(NotPossible, match="At most 200 actions"):
        form.left()
