"""Verdicts and their reasons, names, escaping, caching. Tables."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from identities.authority import (
    AuthorityError,
    Forbid,
    Grant,
    Request,
    compile_slice,
    compiling,
    instants,
    judge,
    judge_many,
    patterns,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
READ = Grant("DLG-1", 1, ("s3:GetObject", "s3:ListObjects"), ("invoices/*",))


def reason(grants: list[Grant], request: Request, forbids: list[Forbid] | None = None) -> str:
    return judge(compile_slice("NHI-1", grants, forbids or []), request, now=NOW).reason


def covered(action: str, resource: str, asked: str, target: str) -> bool:
    return reason([Grant("DLG-1", 1, (action,), (resource,))], Request(asked, target)) == "inside"


@pytest.mark.parametrize(
    ("grant", "request_", "said"),
    [
        ({}, {}, "inside"),
        ({"ends_at": NOW + HOUR}, {}, "inside"),
        ({"ends_at": NOW}, {}, "expired"),
        ({"starts_at": NOW}, {}, "inside"),
        ({"starts_at": NOW + HOUR}, {}, "not_yet"),
        ({"revoked_at": NOW}, {}, "revoked"),
        ({"revoked_at": NOW + HOUR}, {}, "inside"),
        # What ended by itself before it was revoked has expired; revoked first is revoked.
        ({"ends_at": NOW - 2 * HOUR, "revoked_at": NOW - HOUR}, {}, "expired"),
        ({"ends_at": NOW - HOUR, "revoked_at": NOW - 2 * HOUR}, {}, "revoked"),
        ({"ends_at": NOW - HOUR, "revoked_at": NOW - HOUR}, {}, "revoked"),
        ({}, {"resource": "hr-records/salaries.csv"}, "wrong_resource"),
        ({}, {"resource": ""}, "wrong_resource"),
        ({}, {"action": "s3:DeleteObject"}, "wrong_action"),
        ({}, {"action": "iam:CreateAccessKey", "resource": "u"}, "none"),
        ({"ends_at": NOW}, {"resource": "hr-records/x"}, "none"),
        ({"task": "Q3"}, {}, "inside"),
        ({"task": "Q3"}, {"task": "Q3"}, "inside"),
        ({"task": "Q3"}, {"task": "Q4"}, "task_not_covered"),
        ({}, {"task": "Q4"}, "inside"),
        ({"on_behalf": "ann"}, {}, "inside"),
        ({"on_behalf": "ann"}, {"on_behalf": "ann"}, "inside"),
        ({"on_behalf": "ann"}, {"on_behalf": "bob"}, "condition"),
        ({}, {"on_behalf": "bob"}, "inside"),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, {"address": "10.1.2.3"}, "inside"),
        ({"conditions": {"address": "10.0.0.0/8"}}, {"address": "10.1.2.3"}, "inside"),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, {"address": "::ffff:10.1.2.3"}, "inside"),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, {"address": "11.1.2.3"}, "condition"),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, {"address": "AWS Internal"}, "condition"),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, {}, "condition"),
        ({"conditions": {"address": ["2001:db8::/32"]}}, {"address": "2001:db8::7"}, "inside"),
        ({"conditions": {"address": ["2001:db8::/32"]}}, {"address": "fe80::1%eth0"}, "condition"),
        (
            {"conditions": {"address": ["10.0.0.0/8", "::/0"]}},
            {"address": "fe80::1%eth0"},
            "inside",
        ),
        ({"conditions": {"mfa": True}}, {}, "condition"),
        ({"conditions": {"mfa": True}}, {"mfa": True}, "inside"),
        ({"conditions": {"mfa": False}}, {"mfa": False}, "inside"),
    ],
)
def test_verdict_reason_of_one_grant(
    grant: dict[str, Any], request_: dict[str, Any], said: str
) -> None:
    asked = Request(**{"action": "s3:GetObject", "resource": "invoices/a.json", **request_})
    verdict = judge(compile_slice("NHI-1", [READ._replace(**grant)]), asked, now=NOW)
    assert (verdict.reason, verdict.allowed) == (said, said == "inside")
    assert verdict.policies == (() if said == "none" else ("DLG-1",))


def test_verdict_without_any_grant_is_none() -> None:
    verdict = judge(compile_slice("NHI-1", []), Request("s3:GetObject", "a/b"), now=NOW)
    assert verdict == (
        False,
        "none",
        (),
        "No delegation at all, so none for s3:GetObject on a/b.",
        (),
        True,
    )


def test_event_is_judged_at_its_own_time() -> None:
    slice_ = compile_slice("NHI-1", [READ._replace(ends_at=NOW - HOUR)])
    asked = Request("s3:GetObject", "invoices/a", at=NOW - 2 * HOUR)
    assert judge(slice_, asked, now=NOW).reason == "inside"
    assert judge(slice_, asked._replace(at=None), now=NOW).reason == "expired"


def test_detail_says_what_decided_and_when() -> None:
    ended = READ._replace(ends_at=NOW - HOUR, signed=False)
    verdict = judge(compile_slice("NHI-1", [ended]), Request("s3:GetObject", "invoices/a"), now=NOW)
    assert verdict.detail == (
        "DLG-1 covered s3:GetObject on invoices/a and ended on 24 Nov 2026 11:00 UTC."
    )
    assert verdict.signed is False


def test_end_that_counts_is_the_last_one() -> None:
    old = READ._replace(key="DLG-1", revoked_at=NOW - 5 * HOUR)
    new = READ._replace(key="DLG-2", ends_at=NOW - HOUR)
    later = READ._replace(key="DLG-3", starts_at=NOW + HOUR)
    verdict = judge(
        compile_slice("NHI-1", [old, new, later]), Request("s3:GetObject", "invoices/a"), now=NOW
    )
    assert (verdict.reason, verdict.policies) == ("expired", ("DLG-2",))


def test_stop_overrides_every_grant_while_it_lasts() -> None:
    stop = Forbid("REV-7", "hold by Ines Moreau", starts_at=NOW, ends_at=NOW + HOUR)
    slice_ = compile_slice("NHI-1", [READ], [stop])
    asked = Request("s3:GetObject", "invoices/a")
    verdict = judge(slice_, asked, now=NOW)
    assert (verdict.reason, verdict.policies, verdict.detail) == (
        "held",
        ("REV-7",),
        "Held: hold by Ines Moreau.",
    )
    assert judge(slice_, asked, now=NOW - HOUR).reason == "inside"
    assert judge(slice_, asked, now=NOW + HOUR).reason == "inside"


def test_stop_of_some_resources_leaves_the_others() -> None:
    stop = Forbid("STOP-1", "freeze", resources=("arn:aws:s3:::invoices/2025/*",))
    slice_ = compile_slice("NHI-1", [READ], [stop])
    assert judge(slice_, Request("s3:GetObject", "invoices/2025/a"), now=NOW).reason == "held"
    assert judge(slice_, Request("s3:GetObject", "invoices/2026/a"), now=NOW).reason == "inside"


STANDING = READ._replace(key="DLG-1")
FOR_Q3 = Grant("DLG-2", 1, ("s3:PutObject",), ("reports/*",), task="Q3")
READ_Q3 = READ._replace(key="DLG-3", task="Q3")


@pytest.mark.parametrize(
    ("grants", "task", "reading", "writing"),
    [
        # Unnamed: the union.
        ([STANDING, FOR_Q3], None, "inside", "inside"),
        ([STANDING, FOR_Q3], "", "inside", "inside"),
        # Named, and some grant is for it: only that task's grants.
        ([STANDING, FOR_Q3], "Q3", "task_not_covered", "inside"),
        ([STANDING, FOR_Q3, READ_Q3], "Q3", "inside", "inside"),
        # Named, and none is for it: what is for no task; never another task's.
        ([STANDING, FOR_Q3], "Q4", "inside", "task_not_covered"),
    ],
)
def test_task_named_or_not(
    grants: list[Grant], task: str | None, reading: str, writing: str
) -> None:
    assert reason(grants, Request("s3:GetObject", "invoices/a", task=task)) == reading
    assert reason(grants, Request("s3:PutObject", "reports/a", task=task)) == writing


@pytest.mark.parametrize(
    ("grant", "request_", "unstated"),
    [
        ({"task": "Q3"}, {}, ("task",)),
        ({"on_behalf": "ann"}, {}, ("on_behalf",)),
        ({"on_behalf": "ann"}, {"on_behalf": "ann"}, ()),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, {}, ("address",)),
        ({"conditions": {"address": ["10.0.0.0/8"]}}, {"address": "11.0.0.1"}, ()),
        ({"conditions": {"mfa": True}}, {}, ("mfa",)),
        ({"conditions": {"mfa": True}}, {"mfa": False}, ()),
    ],
)
def test_what_the_request_leaves_out_is_said(
    grant: dict[str, Any], request_: dict[str, Any], unstated: tuple[str, ...]
) -> None:
    asked = Request("s3:GetObject", "invoices/a", **request_)
    verdict = judge(compile_slice("NHI-1", [READ._replace(**grant)]), asked, now=NOW)
    assert verdict.unstated == unstated


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"actions": ()}, "DLG-1: actions", "is empty; write at least one pattern, or `*` for all"),
        (
            {"actions": ("s3:Get?bject",)},
            "DLG-1: actions[0]",
            "write `*`, which is the only wildcard",
        ),
        (
            {"resources": ("a", "b?")},
            "DLG-1: resources[1]",
            "write `*`, which is the only wildcard",
        ),
        ({"resources": ("",)}, "DLG-1: resources[0]", "is empty; write a text"),
        ({"resources": (" a",)}, "DLG-1: resources[0]", "begins or ends with a space; remove it"),
        ({"resources": ("home/${aws:username}",)}, "DLG-1: resources[0]", "write the value or `*`"),
        ({"resources": ("a\nb",)}, "DLG-1: resources[0]", "not seen; remove them"),
        ({"resources": ("a\ud800",)}, "DLG-1: resources[0]", "not seen; remove them"),
        ({"resources": ("a" * 2_000,)}, "DLG-1: resources[0]", "write at most 1,024"),
        ({"resources": ("a",) * 501}, "DLG-1: resources", "write at most 500, or use `*`"),
        ({"task": "a\u202eb"}, "DLG-1: task", "not seen; remove them"),
        ({"on_behalf": ""}, "DLG-1: on_behalf", "is empty; write a text"),
        ({"conditions": {"hours": "9-17"}}, "DLG-1: conditions.hours", "write one of address, mfa"),
        ({"conditions": {"address": []}}, "DLG-1: conditions.address", 'write ["10.0.0.0/8"]'),
        (
            {"conditions": {"address": ["ten"]}},
            "DLG-1: conditions.address",
            "write one like 10.0.0.0/8",
        ),
        (
            {"conditions": {"address": ["10.0.0.1/8"]}},
            "DLG-1: conditions.address",
            "write 10.0.0.0/8",
        ),
        ({"conditions": {"mfa": "yes"}}, "DLG-1: conditions.mfa", "is no yes or no; write true"),
        ({"ends_at": datetime(2026, 1, 1)}, "DLG-1: ends_at", "write it in UTC"),  # noqa: DTZ001 - the fault
        ({"key": ""}, "key", "is empty; write a text"),
    ],
)
def test_grant_that_cannot_be_compiled_names_the_field(
    change: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(AuthorityError) as caught:
        compile_slice("NHI-1", [READ._replace(**change)])
    assert caught.value.field == field
    assert caught.value.what.endswith(says)
    assert str(caught.value) == f"{field}: {caught.value.what}"


def test_request_that_is_too_long_is_covered_by_nothing() -> None:
    verdict = judge(
        compile_slice("NHI-1", [Grant("DLG-1", 1, ("*",), ("*",))]),
        Request("s3:GetObject", "a" * 2_049),
        now=NOW,
    )
    assert (verdict.allowed, verdict.reason) == (False, "none")
    assert verdict.detail == "The resource has more than 2,048 characters: nothing covers it."


def test_largest_grant_can_be_judged() -> None:
    # Cedar's evaluator recurses: a long chain of alternatives would stop it.
    wide = Grant("DLG-1", 1, ("s3:*",), tuple(f"*bucket{number}/*" for number in range(500)))
    assert reason([wide], Request("s3:GetObject", "bucket499/a")) == "inside"
    assert reason([wide], Request("s3:GetObject", "bucket500/a")) == "wrong_resource"


def test_instants_are_the_stored_moments_in_order() -> None:
    grants = [
        READ._replace(starts_at=NOW, ends_at=NOW + 3 * HOUR, revoked_at=NOW + HOUR),
        READ._replace(ends_at=NOW - HOUR),
    ]
    stops = [Forbid("S", starts_at=NOW + 2 * HOUR)]
    assert instants(grants, stops) == [NOW - HOUR, NOW, NOW + HOUR, NOW + 2 * HOUR]


def test_equal_text_is_parsed_once_and_the_cache_is_bounded() -> None:
    one, two = compile_slice("NHI-1", [READ]), compile_slice("NHI-1", [READ])
    assert one.policies is two.policies
    small = compiling._Parsed(most=150)
    texts = [
        f'permit(principal, action, resource) when {{ context.name == "{n}" }};' for n in range(9)
    ]
    for text in texts:
        small.get(text, text)
    assert list(small.sets) == texts[-2:]
    assert small.held == sum(len(text) for text in texts[-2:])


def test_time_is_no_part_of_what_is_cached() -> None:
    slice_ = compile_slice("NHI-1", [READ._replace(ends_at=NOW)])
    asked = Request("s3:GetObject", "invoices/a")
    assert [judge(slice_, asked, now=NOW + step * HOUR).reason for step in (-1, 0, -1)] == [
        "inside",
        "expired",
        "inside",
    ]
    assert compile_slice("NHI-1", [READ._replace(ends_at=NOW)]).policies is slice_.policies


def test_slices_compiled_and_judged_in_threads_agree() -> None:
    said: list[str] = []

    def work(start: int) -> None:
        for number in range(start, start + 40):
            grant = Grant(f"DLG-{number % 10}", 1, ("s3:*",), (f"b{number % 10}/*",))
            said.append(reason([grant], Request("s3:GetObject", f"b{number % 10}/x")))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["inside"] * 160


def test_many_are_judged_once_per_shape_and_stretch() -> None:
    grant = READ._replace(ends_at=NOW, conditions={"address": ["10.0.0.0/8"]})
    requests = [
        Request(
            "s3:GetObject",
            f"invoices/{number % 20}",
            address=f"10.0.{number % 200}.{number % 7}",
            at=NOW + timedelta(seconds=number - 500),
        )
        for number in range(1_000)
    ]
    verdicts = judge_many(compile_slice("NHI-1", [grant]), requests, now=NOW)
    assert [verdict.reason for verdict in verdicts] == ["inside"] * 500 + ["expired"] * 500
    # One verdict for each of 20 shapes before the end, and one for each after it.
    assert len({id(verdict) for verdict in verdicts}) == 40


NASTY = st.text(
    alphabet=st.one_of(
        st.sampled_from([*"\"'\\*?{}()[];|&=@.:/ \n\t\0uxX0-_$<>", "\u202e", "\ud800", "é", "☃"]),
        st.characters(),
    ),
    min_size=1,
    max_size=40,
)


@example(text="/", target="0")  # a bucket of no name is not every resource
@given(text=NASTY, target=NASTY)
def test_text_of_others_never_becomes_policy(text: str, target: str) -> None:
    """Whatever is written into a grant covers itself at most; whatever is asked is only data."""
    try:
        slice_ = compile_slice(
            "NHI-1",
            [Grant("DLG-1", 1, ("tool:call",), (text,), task=text.replace("*", "-"))],
        )
    except AuthorityError:
        slice_ = compile_slice("NHI-1", [Grant("DLG-1", 1, ("tool:call",), ("fixed",))])
        text = "fixed"
    assert slice_.text.count("permit (") == 1
    assert slice_.text.count("forbid") == 0
    assert len(slice_.policies) == 1
    asked = Request(f"tool:call{target}", target, task=target, on_behalf=target, address=target)
    assert judge(slice_, asked, now=NOW).allowed is False
    if "*" not in text:
        exact = judge(slice_, Request("tool:call", target), now=NOW)
        assert exact.allowed is (
            text in (target, f"{target}/") and (text == target or text.count("/") == 1)
        )


@given(NASTY)
def test_literal_means_exactly_this_text(text: str) -> None:
    from cedarpy import is_authorized

    text = text.encode("utf-8", "replace").decode()
    for condition, other in (
        (f"context.x == {patterns.literal(text)}", f"{text}x"),
        (f"context.x like {patterns.like(text.replace('*', '+'))}", f"{text}x"),
    ):
        policy = f"permit(principal, action, resource) when {{ {condition} }};"
        value = text if "==" in condition else text.replace("*", "+")
        for said, answer in ((value, True), (other, False)):
            result = is_authorized(
                {
                    "principal": 'P::"p"',
                    "action": 'A::"a"',
                    "resource": 'R::"r"',
                    "context": {"x": said},
                },
                policy,
                "[]",
            )
            assert (result.allowed, result.diagnostics.errors) == (answer, [])
