"""What a policy's document may say: every problem names its place, nothing is accepted for show."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from identities.models.behaviour import RULES
from identities.models.identity import CRITICALITIES, KINDS, MODES
from reviews import ladder, policy_document, policy_stages, policy_words
from reviews.actions import deadlines
from reviews.policy_document import Document, DocumentError, Exemption, Scope

NAME = "agents"
NOTHING = "It does nothing for access requests: what nobody approves is denied."
EXEMPT = {"identity": "NHI-0042", "until": "2027-03-31", "reason": "moves in March"}
ALL: dict[str, Any] = {
    "decide_within_hours": 240,
    "remind_before_hours": [4, 72],
    "escalate_before_hours": 12,
    "silence": "suspend",
    "scope": {
        "kinds": ["agent", "workload"],
        "modes": ["ask", "enforce"],
        "criticality": ["high"],
        "services": ["quarterly"],
        "ai_system": True,
        "sources": ["cloudtrail"],
        "expires_within_days": 30,
        "findings": ["no_run"],
        "orphaned": False,
        "standing_credential": True,
        "last_reviewed_before_days": 90,
    },
    "every_days": 180,
    "seats": {"identity_owner": ["owner", "team:Platform IAM"], "tie_breaker": ["sponsor"]},
    "ladder": {"high": [{"after_hours": 24, "does": "remind"}]},
    "exemptions": [EXEMPT],
}


def problems(value: object, name: str = NAME) -> list[tuple[str, str]]:
    with pytest.raises(DocumentError) as wrong:
        policy_document.parse(value, name=name)
    return wrong.value.problems


def test_everything_that_may_be_said_is_read() -> None:
    assert policy_document.parse(ALL, name=NAME) == Document(
        decide_within_hours=240,
        remind_before_hours=(72, 4),
        escalate_before_hours=12,
        silence="suspend",
        scope=Scope(
            kinds=("agent", "workload"),
            modes=("ask", "enforce"),
            criticality=("high",),
            services=("quarterly",),
            ai_system=True,
            sources=("cloudtrail",),
            expires_within_days=30,
            findings=("no_run",),
            orphaned=False,
            standing_credential=True,
            last_reviewed_before_days=90,
        ),
        every_days=180,
        seats={"identity_owner": ("owner", "team:Platform IAM"), "tie_breaker": ("sponsor",)},
        ladder={"high": (ladder.Rung(24, "remind"),)},
        exemptions=(Exemption(42, date(2027, 3, 31), "moves in March"),),
    )


@pytest.mark.parametrize(
    ("within", "reminded", "told"), [(720, (48, 4), 6), (24, (4,), 6), (8, (4,), 2), (4, (2,), 1)]
)
def test_what_is_not_said_fits_into_the_time_that_is(
    within: int, reminded: tuple[int, ...], told: int
) -> None:
    found = policy_document.parse({"decide_within_hours": within}, name=NAME)
    assert (found.remind_before_hours, found.escalate_before_hours) == (reminded, told)


def test_nothing_said_is_the_products_own_numbers() -> None:
    assert policy_document.parse({}, name=NAME) == Document(168, (48, 4), 6, "escalate")


@pytest.mark.parametrize(
    ("value", "place", "said"),
    [
        ([], "document", "Write an object"),
        ({"decide_in": 5}, "decide_in", "It is not known. Known: decide_within_hours"),
        # Whoever writes one hour is told of that field, not of reminders that they did not write.
        ({"decide_within_hours": 1}, "decide_within_hours", "a whole number from 2 to 8,784"),
        ({"decide_within_hours": True}, "decide_within_hours", "a whole number"),
        ({"decide_within_hours": 7.0}, "decide_within_hours", "a whole number"),
        ({"remind_before_hours": []}, "remind_before_hours", "leave the field out"),
        ({"remind_before_hours": [4, 4]}, "remind_before_hours[1]", "twice"),
        ({"remind_before_hours": [4, 745]}, "remind_before_hours[1]", "from 1 to 744"),
        ({"remind_before_hours": [200]}, "remind_before_hours", "200 h before the deadline"),
        ({"escalate_before_hours": 168}, "escalate_before_hours", "168 h before the deadline"),
        ({"silence": "keep"}, "silence", "one of: escalate, narrow, suspend, revoke"),
        ({"silence": ["escalate"]}, "silence", "one of: escalate"),
        ({"every_days": 5}, "scope", "{} for all of them"),
        ({"scope": {"kind": []}, "every_days": 5}, "scope.kind", "It is not known"),
        ({"scope": {"kinds": ["robot"]}, "every_days": 5}, "scope.kinds[0]", "one of: agent"),
        ({"scope": {"orphaned": 1}, "every_days": 5}, "scope.orphaned", "true or false"),
        ({"scope": {"services": [""]}, "every_days": 5}, "scope.services[0]", "1 to 200"),
        ({"scope": {"sources": ["\ud800"]}, "every_days": 5}, "scope.sources[0]", "stored"),
        ({"seats": {}}, "seats", "Name a seat"),
        ({"seats": {"closer": ["owner"]}}, "seats.closer", "Known: identity_owner, ai_owner"),
        ({"seats": {"tie_breaker": ["owner"]}}, "seats.tie_breaker[0]", "one of: sponsor"),
        ({"seats": {"ai_owner": ["team: "]}}, "seats.ai_owner[0]", "the name of a team"),
        ({"ladder": {"low": [{"after_hours": 1}]}}, "ladder, low, rung 1", "say what it does"),
        ({"exemptions": [{**EXEMPT, "identity": "42"}]}, "exemptions[0].identity", "NHI-0042"),
        ({"exemptions": [{**EXEMPT, "until": "soon"}]}, "exemptions[0].until", "2027-03-31"),
        ({"exemptions": [{**EXEMPT, "until": 5}]}, "exemptions[0].until", "2027-03-31"),
        (
            {"exemptions": [{"identity": "NHI-1", "reason": "x"}]},
            "exemptions[0].until",
            "whom, until when and why",
        ),
        (
            {"exemptions": [EXEMPT, {**EXEMPT, "identity": "NHI-42", "reason": "again"}]},
            "exemptions[1].identity",
            "exempt already",
        ),
        ({"stages": []}, "stages", "Write a list of 1 to 6"),
        ({"stages": [{"hours": 4}]}, "stages[0].name", "It is missing"),
        ({"stages": [{"name": "a", "hours": 4}]}, "decide_within_hours", "4 h together"),
        ({"stages": [{"name": "a", "hours": 4, "sight": "blind"}]}, "stages[0].sight", "Nothing"),
        (
            {"stages": [{"name": "a", "hours": 4}, {"name": "a", "hours": 5}]},
            "stages[1].name",
            "has this name",
        ),
        (
            {
                "stages": [
                    {"name": "a", "hours": 4},
                    {"name": "b", "hours": 5, "order": "parallel"},
                ]
            },
            "stages[1].hours",
            "the same hours",
        ),
        (
            {"stages": [{"name": "a", "hours": 4, "asks": "each"}]},
            "stages[0].asks",
            "Say in seats",
        ),
        (
            {"stages": [{"name": "a", "hours": 4, "if_dont_know": "approve"}]},
            "stages[0].if_dont_know",
            "Write one of: keep, narrow, revoke, dont_know, no_response.",
        ),
        ({"strategy": "all_must_accept"}, "strategy", "there are none"),
        ({"grace_hours": 0}, "grace_hours", "from 1 to 744"),
        ({"keep_standing_at_most_days": "90"}, "keep_standing_at_most_days", "whole number"),
        ({"attestation": {"longest": 4}}, "attestation.longest", "It is not known."),
    ],
)
def test_problem_names_its_place(value: object, place: str, said: str) -> None:
    found = problems(value)
    assert [one for one, _ in found] == [place]
    assert said in found[0][1]


def test_all_problems_are_told_at_once() -> None:
    found = problems({"silence": "keep", "stages": [], "every_days": 0})
    assert [place for place, _ in found] == ["silence", "stages", "every_days", "scope"]


@pytest.mark.parametrize("field", ["silence", "scope", "every_days", "exemptions", "ladder"])
def test_what_does_nothing_for_requests_is_refused_there(field: str) -> None:
    found = problems({field: ALL[field]}, name=policy_document.REQUESTS)
    assert found == [(field, NOTHING)]


@pytest.mark.parametrize(
    ("name", "field", "value", "said"),
    [
        (policy_document.REQUESTS, "stop_on", ["keep"], "Keep is no answer to a request."),
        (policy_document.REQUESTS, "advance_on", ["revoke"], "Revoke is no answer to a request."),
        (policy_document.REQUESTS, "if_nobody_answered", "keep", NOTHING),
        (policy_document.REQUESTS, "if_no_reviewer", "keep", NOTHING),
        (policy_document.REQUESTS, "if_dont_know", "keep", NOTHING),
        (NAME, "stop_on", ["deny"], "Deny is no answer to a review."),
        (NAME, "advance_on", ["approve"], "Approve is no answer to a review."),
    ],
)
def test_a_stage_says_only_what_is_answered_there(
    name: str, field: str, value: object, said: str
) -> None:
    stage = {"name": "a", "hours": 168, field: value}
    assert problems({"stages": [stage]}, name=name) == [(f"stages[0].{field}", said)]


CUT = (
    "What nobody answered is cut as silence cuts: write silence: revoke as well, or keep, dont_know"
)


@pytest.mark.parametrize(
    ("value", "place", "said"),
    [
        (
            {"if_nobody_answered": "replace"},
            "if_nobody_answered",
            "A person gives the plan and the date of a replacement: it is no default.",
        ),
        ({"if_dont_know": "revoke"}, "if_dont_know", CUT),
        ({"if_dont_know": "revoke", "silence": "suspend"}, "if_dont_know", CUT),
        (
            {"stages": [{"name": "a", "hours": 168, "if_no_reviewer": "revoke"}]},
            "stages[0].if_no_reviewer",
            CUT,
        ),
    ],
)
def test_a_default_that_cuts_is_cut_as_silence(value: object, place: str, said: str) -> None:
    ((found, words),) = problems(value)
    assert (found, words.startswith(said)) == (place, True)


@pytest.mark.parametrize("field", policy_stages.IF)
@pytest.mark.parametrize("word", policy_stages.DEFAULTS)
def test_every_default_may_be_said_of_a_whole_policy_and_of_one_stage(
    field: str, word: str
) -> None:
    silence = {"silence": word} if word in policy_stages.CUTTING else {}
    alone = policy_document.parse({field: word} | silence, name=NAME)
    assert [(one.name, one.hours, getattr(one, field)) for one in alone.stages] == [
        ("Review", 168, word)
    ]
    stages = [{"name": "a", "hours": 100, field: word}, {"name": "b", "hours": 68}]
    other = "dont_know" if word == "keep" else "keep"
    both = policy_document.parse({"stages": stages, field: other} | silence, name=NAME)
    assert [getattr(one, field) for one in both.stages] == [word, other]


def test_stages_of_requests_are_read() -> None:
    stages = [{"name": "a", "hours": 100, "advance_on": ["approve"]}, {"name": "b", "hours": 68}]
    said: dict[str, Any] = {"stages": stages, "strategy": "one_deny_denies"}
    found = policy_document.parse(said, name=policy_document.REQUESTS)
    assert [one.advance_on for one in found.stages] == [("approve",), None]
    del said["stages"]
    assert problems(said, name=policy_document.REQUESTS) == [
        ("strategy", "It says how stages add up, and there are none.")
    ]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('{"silence": }', "line 1, column 13", "This is not JSON"),
        ('{\n "silence": "escalate",\n}', "line 2, column 23", "This is not JSON"),
        ('{"silence": "narrow", "silence": "revoke"}', "document", "'silence' is written twice"),
        ('{"silence": "\\u0000"}', "document", "NUL"),
        ("[" * 50_000, "document", "This is not JSON that is read"),
        ("1" * 5_000, "document", "This is not JSON that is read"),
        (" " * 70_000, "document", "longer than 65,536"),
        ('{"\\ud800": 1}', "?", "It is not known"),
        ("NaN", "document", "Write an object"),
    ],
)
def test_text_that_is_no_document(text: str, place: str, said: str) -> None:
    with pytest.raises(DocumentError) as wrong:
        policy_document.read(text, name=NAME)
    [(where, what)] = wrong.value.problems
    assert (where, said in what) == (place, True)


def test_text_is_read_as_it_was_written() -> None:
    value, document = policy_document.read(json.dumps(ALL), name=NAME)
    assert (value, document) == (ALL, policy_document.parse(ALL, name=NAME))


def test_exemption_ends_after_its_last_day() -> None:
    document = policy_document.parse({"exemptions": [EXEMPT]}, name=NAME)
    seen = [len(document.exempt(date(2027, month, day))) for month, day in ((3, 31), (4, 1))]
    assert seen == [1, 0]


def test_words_are_those_of_the_models() -> None:
    assert policy_document.KINDS == KINDS
    assert policy_document.MODES == MODES
    assert policy_document.CRITICALITIES == CRITICALITIES == ladder.TIERS
    assert policy_document.RULES == RULES
    assert set(policy_document.SILENCE) == {"escalate"} | deadlines.CUTS


def test_every_field_is_explained_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
    known = [*policy_document.FIELDS, *policy_document.SCOPE]
    assert [field for field in known if f"`{field}`" not in text] == []


def test_example_of_the_docs_is_a_policy() -> None:
    text = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
    example = text.split("```json\n")[1].split("```")[0]
    _, document = policy_document.read(example, name=NAME)
    assert (document.every_days, document.silence) == (180, "suspend")


def test_policy_in_words() -> None:
    said = dict(policy_words.lines(policy_document.parse(ALL, name=NAME), name=NAME))
    assert said == {
        "Time to decide": "The seats have 10 days.",
        "Reminders": "Whoever has not answered is reminded 3 days and 4 h before the deadline."
        " That is for what is low or normal or critical.",
        "Escalation": "The backups and the tie-breaker are told 12 h before it. That is for what is low"
        " or normal or critical.",
        "Whoever is silent": "At the deadline the identity is suspended. Where a scope does not"
        " enforce, where evidence is not fresh and where an identity is critical, nothing is cut:"
        " the case goes to the backups and the tie-breaker. That is for what is low or normal or"
        " critical.",
        "Silence about what is high": "after 1 day those whose answers are missing are reminded.",
        "Which identities": "Those of which all of this is true: kind agent or workload; mode ask"
        " or enforce; criticality high; service quarterly; of an AI system; seen by cloudtrail;"
        " ends within 30 days or has ended; has an open finding: no run; its owner is there; has a"
        " standing credential; not reviewed for 90 days.",
        "How often": "A review of each is opened when none was for 180 days. Where a scope only"
        " observes, nobody is asked.",
        "Seat of the identity owner": "the identity's owner, then the team Platform IAM: the first"
        " who is there, else a reviewer; the next one is the backup.",
        "Seat of the tie-breaker": "the identity's sponsor: the first who is there, else a"
        " reviewer; the next one is the backup.",
        "Left alone: NHI-0042": "Until 2027-03-31: moves in March",
    }


def test_ladder_of_every_tier_leaves_nothing_of_the_plain_words() -> None:
    tiers = {tier: [{"after_hours": 24, "does": "remind"}] for tier in ladder.TIERS}
    document = policy_document.parse({"ladder": tiers}, name=NAME)
    said = [one.about for one in policy_words.lines(document, name=NAME)]
    whole = [f"Silence about what is {tier}" for tier in ladder.TIERS]
    assert said[:5] == ["Time to decide", *whole]
    assert {"Reminders", "Escalation", "Whoever is silent"}.isdisjoint(said)


def test_requests_are_denied_by_silence_in_words() -> None:
    document = policy_document.parse({}, name=policy_document.REQUESTS)
    said = dict(policy_words.lines(document, name=policy_document.REQUESTS))
    assert said["Whoever is silent"] == "A request that nobody approves by the deadline is denied."


def test_changes_between_versions() -> None:
    before = policy_document.parse({"every_days": 30, "scope": {}}, name=NAME)
    after = policy_document.parse({"silence": "revoke"}, name=NAME)
    found = policy_words.changes(
        policy_words.lines(before, name=NAME), policy_words.lines(after, name=NAME)
    )
    assert [(one.about, bool(one.before), bool(one.after)) for one in found] == [
        ("Whoever is silent", True, True),
        ("Which identities", True, False),
        ("How often", True, False),
    ]
