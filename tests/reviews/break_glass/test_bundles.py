"""Bundles: what a document may say, every problem with its place, and that two people sign it."""

import json
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from identities.models import Identity
from identities.permissions import NotAllowed, NotPossible
from reviews.break_glass import bundles, document
from reviews.models import Bundle
from reviews.policy_document import DocumentError
from tests.reviews.conftest import NOW

from .conftest import DOCUMENT, Company, put_in_force


@pytest.mark.parametrize(
    ("said", "place", "words"),
    [
        ({"cap_after_bypass_minutes": 61}, "cap_after_bypass_minutes", "not shorter"),
        ({"unanswered_minutes": 5}, "unanswered_minutes", "before its asker may open it alone"),
        ({"deny": ["s3:*"]}, "deny", "everything that the bundle gives"),
        ({"actions": ["s3:\x01Get"]}, "actions[0]", "not seen"),
        ({"deny": ["s3:\x01Get"]}, "deny[0]", "not seen"),
        ({"actions": []}, "actions", "a list of 1"),
        ({"quorum": {"any_of": [{"role": "auditor"}]}}, "quorum.any_of[0].role", "Write one of"),
        ({"target": {"system": "aws"}}, "target.account", "missing"),
        ({"target": DOCUMENT["target"] | {"extra": {"a": []}}}, "target.extra.a", "short text"),
        ({"reason": {"fields": ["Impact!"]}}, "reason.fields[0]", "small letters"),
        ({"who": {"roles": ["auditor"]}}, "who.roles[0]", "Write one of"),
        ({"holder": "report"}, "holder", "NHI-0042"),
        ({"clock": "noon"}, "clock", "Write one of"),
        ({"words": "a\0"}, "words", "cannot be stored"),
        ({"more": 1}, "more", "not known"),
    ],
)
def test_a_problem_is_said_with_its_place(said: dict[str, Any], place: str, words: str) -> None:
    with pytest.raises(DocumentError) as refused:
        document.parse(DOCUMENT | said)
    found = dict(refused.value.problems)
    assert (list(found), words in found[place]) == ([place], True)


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(DocumentError) as refused:
        document.parse({})
    assert len(refused.value.problems) == 8


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["team", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(name=st.sampled_from(sorted(document.FIELDS)), value=anything)
def test_whatever_is_written_is_read_or_refused_with_places(name: str, value: Any) -> None:
    problems: list[tuple[str, str]] = []
    says: document.Document | None = None
    try:
        says = document.parse(DOCUMENT | {name: value})
    except DocumentError as refused:
        problems = refused.problems
    assert (says is None) == bool(problems)
    assert all(place and said for place, said in problems)
    assert says is None or document.lines(says)


@pytest.mark.django_db
def test_what_is_named_has_to_be_there_and_its_target_has_to_take_it(company: Company) -> None:
    Identity.objects.filter(pk=company.human.pk).update(state="retired")
    said = DOCUMENT | {
        "quorum": {"team": "Nobody", "n": 1},
        "who": {"teams": ["Strangers"]},
        "holder": company.human.key,
        "target": DOCUMENT["target"] | {"kind": "nothing"},
    }
    with pytest.raises(DocumentError) as refused:
        bundles.propose(slug="x", text=json.dumps(said), reason="x", by=company.rita, now=NOW)
    assert [place for place, _ in refused.value.problems] == [
        "quorum",
        "who.teams",
        "holder",
        "target",
    ]


@pytest.mark.django_db
def test_nobody_signs_alone_and_one_version_is_in_force(company: Company) -> None:
    text = json.dumps(DOCUMENT | {"cap_minutes": 30})
    row = bundles.propose(
        slug="contain-agent", text=text, reason="shorter", by=company.rita, now=NOW
    )
    with pytest.raises(NotPossible, match="waits for its second signature"):
        bundles.propose(slug="contain-agent", text=text, reason="x", by=company.root, now=NOW)
    with pytest.raises(NotAllowed, match="a second person signs"):
        bundles.sign(bundle=row, by=company.rita, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Bundle.objects.filter(pk=row.pk).update(
            state="in_force", settled_person=company.rita.person
        )
    bundles.sign(bundle=row, by=company.root, now=NOW)
    states = Bundle.objects.filter(slug="contain-agent").order_by("version")
    assert list(states.values_list("version", "state")) == [(1, "ended"), (2, "in_force")]
    with pytest.raises(NotPossible, match="says this already"):
        bundles.propose(slug="contain-agent", text=text, reason="x", by=company.rita, now=NOW)
    put_in_force("contain-agent", company.rita, company.root, offered=False)
    assert bundles.catalogue() == []
