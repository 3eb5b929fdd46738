"""Run time and afterwards agree, and both agree with a second, small reading of the rules."""

import random
import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import pytest

from identities.authority import Forbid, Grant, Request, compile_slice, judge, judge_many, narrower

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CASES = 10_000
ACTIONS = ("s3:GetObject", "s3:GetObjectAcl", "s3:PutObject", "sqs:SendMessage", "mcp:call*")
PATTERNS = ("s3:GetObject", "s3:Get*", "S3:*", "*", "*:*Object", "sqs:SendMessage", "mcp:c*l*")
TARGETS = (
    "inv/a",
    "inv/2026/a",
    "inv/*",
    "inv2/a",
    "arn:aws:s3:::inv/a",
    "q1",
    "arn:aws:sqs:e:1:q1",
    "",
)
PLACES = (
    "inv/*",
    "inv/a",
    "arn:aws:s3:::inv/2026/*",
    "*/a",
    "*",
    "q*",
    "arn:aws:sqs:*:q1",
    "inv*a*",
)
TASKS = (None, None, "Q3", "Q4", '"] || true //')
PEOPLE = (None, "ann", "bob")
ADDRESSES = (None, "10.1.1.1", "192.0.2.9", "sqs.amazonaws.com")
HOURS = (None, -3, -2, -1, 0, 1, 2)


class Case(NamedTuple):
    grants: list[Grant]
    forbids: list[Forbid]
    requests: list[Request]


def moment(hours: int | None) -> datetime | None:
    return None if hours is None else NOW + timedelta(hours=hours)


def a_grant(rng: random.Random, number: int) -> Grant:
    conditions = {}
    if rng.random() < 0.2:
        conditions["address"] = rng.choice((["10.0.0.0/8"], ["192.0.2.0/24", "2001:db8::/32"]))
    return Grant(
        f"DLG-{number}",
        rng.randint(1, 3),
        tuple(rng.sample(PATTERNS, rng.randint(1, 2))),
        tuple(rng.sample(PLACES, rng.randint(1, 3))),
        task=rng.choice(TASKS),
        on_behalf=rng.choice((None, None, "ann")),
        conditions=conditions,
        starts_at=moment(rng.choice(HOURS)),
        ends_at=moment(rng.choice(HOURS)),
        revoked_at=moment(rng.choice((None, None, *HOURS))),
    )


def a_request(rng: random.Random) -> Request:
    return Request(
        rng.choice(ACTIONS),
        rng.choice(TARGETS),
        task=rng.choice(TASKS),
        on_behalf=rng.choice(PEOPLE),
        address=rng.choice(ADDRESSES),
        at=NOW + timedelta(minutes=rng.choice((-180, -90, -60, -1, 0, 1, 60, 61))),
    )


def a_case(rng: random.Random) -> Case:
    grants = [a_grant(rng, number) for number in range(rng.randint(0, 4))]
    forbids = []
    if rng.random() < 0.15:
        forbids = [
            Forbid(
                "STOP-1",
                resources=(rng.choice(PLACES),),
                starts_at=moment(rng.choice(HOURS)),
                ends_at=moment(rng.choice(HOURS)),
            )
        ]
    return Case(grants, forbids, [a_request(rng) for _ in range(20)])


# The second reading: regular expressions and plain Python, sharing nothing with the compiler.


def matches(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def on_resource(pattern: str, request: Request) -> bool:
    asked = request.resource
    called = {asked, asked.removeprefix("arn:aws:s3:::")}
    if asked and request.action.startswith("s3:") and not asked.startswith("arn:"):
        called.add("arn:aws:s3:::" + asked)
    return any(matches(pattern, name) for name in called)


def holds(grant: Grant, request: Request, tasks: set[str | None]) -> dict[str, bool]:
    assert request.at is not None
    task = request.task if request.task in tasks else None
    networks = [ip_network(one) for one in grant.conditions.get("address", ())]
    try:
        place = ip_address(request.address or "")
    except ValueError:
        place = None
    ends = [end for end in (grant.ends_at, grant.revoked_at) if end is not None]
    return {
        "time": (grant.starts_at is None or request.at >= grant.starts_at)
        and all(request.at < end for end in ends),
        "conditions": request.on_behalf is None or grant.on_behalf in (None, request.on_behalf),
        "address": not networks or (place is not None and any(place in one for one in networks)),
        "task": request.task is None or grant.task == task,
        "resource": any(on_resource(one, request) for one in grant.resources),
        "action": any(matches(one.lower(), request.action.lower()) for one in grant.actions),
    }


def second_opinion(case: Case, request: Request) -> str:
    assert request.at is not None
    for stop in case.forbids:
        if (
            (stop.starts_at is None or request.at >= stop.starts_at)
            and (stop.ends_at is None or request.at < stop.ends_at)
            and any(on_resource(one, request) for one in stop.resources)
        ):
            return "held"
    tasks = {grant.task for grant in case.grants}
    rows = [(grant, holds(grant, request, tasks)) for grant in case.grants]
    for reason, lifted in (
        ("inside", set()),
        ("time", {"time"}),
        ("condition", {"conditions", "address"}),
        ("task_not_covered", {"task"}),
        ("wrong_resource", {"resource"}),
        ("wrong_action", {"action"}),
    ):
        found = [
            grant
            for grant, row in rows
            if all(value for name, value in row.items() if name not in lifted)
        ]
        if found:
            return out_of_time(found, request.at) if reason == "time" else reason
    return "none"


def out_of_time(grants: list[Grant], at: datetime) -> str:
    ends = []
    for grant in grants:
        if grant.revoked_at is not None and grant.revoked_at <= min(at, grant.ends_at or at):
            ends.append((grant.revoked_at, "revoked"))
        elif grant.ends_at is not None and grant.ends_at <= at:
            ends.append((grant.ends_at, "expired"))
    # At the same moment "revoked" comes last in the alphabet, and wins.
    return max(ends)[1] if ends else "not_yet"


def test_run_time_and_afterwards_agree_on_ten_thousand_cases() -> None:
    rng = random.Random(20261124)
    seen: dict[str, int] = {}
    for _ in range(CASES // 20):
        case = a_case(rng)
        slice_ = compile_slice("NHI-7", case.grants, case.forbids)
        afterwards = judge_many(slice_, case.requests, now=NOW + timedelta(days=9))
        for request, verdict in zip(case.requests, afterwards, strict=True):
            assert request.at is not None
            # At run time the slice is compiled for the question, and the moment is now.
            at_run_time = judge(
                compile_slice("NHI-7", list(case.grants), list(case.forbids)),
                request._replace(at=None),
                now=request.at,
            )
            assert at_run_time == verdict, (case, request)
            assert verdict.reason == second_opinion(case, request), (case, request, verdict)
            assert verdict.allowed == (verdict.reason == "inside")
            seen[verdict.reason] = seen.get(verdict.reason, 0) + 1
    assert sum(seen.values()) == CASES
    # Each reason has been met often enough for the agreement to mean something.
    assert sorted(seen) == sorted(
        (
            "condition",
            "expired",
            "held",
            "inside",
            "none",
            "not_yet",
            "revoked",
            "task_not_covered",
            "wrong_action",
            "wrong_resource",
        )
    )
    assert min(seen.values()) >= 50


def test_order_of_grants_changes_nothing() -> None:
    rng = random.Random(7)
    for _ in range(200):
        case = a_case(rng)
        turned = list(reversed(case.grants))
        for request in case.requests[:5]:
            one = judge(compile_slice("N", case.grants, case.forbids), request, now=NOW)
            two = judge(compile_slice("N", turned, case.forbids), request, now=NOW)
            assert (one.reason, set(one.policies)) == (two.reason, set(two.policies))


# A child may only narrow.

PARENT = Grant("DLG-1", 1, ("s3:Get*", "s3:ListBucket"), ("invoices/*",))


@pytest.mark.parametrize(
    ("child", "wider"),
    [
        ({}, []),
        ({"actions": ("s3:GetObject",)}, []),
        ({"actions": ("s3:HeadObject",)}, []),
        ({"actions": ("s3:ListObjects",)}, []),
        ({"resources": ("invoices/2026/*",)}, []),
        ({"resources": ("arn:aws:s3:::invoices/2026/*",)}, []),
        ({"resources": ("inv*/*",)}, ["on inv*/* is not delegated by the parent"]),
        ({"resources": ("invoices/*", "hr/*")}, ["on hr/* is not delegated by the parent"]),
        ({"actions": ("s3:*",)}, ["s3:* on invoices/* is not delegated by the parent"]),
        (
            {"actions": ("s3:PutObject",)},
            ["s3:PutObject on invoices/* is not delegated by the parent"],
        ),
    ],
)
def test_child_permissions_within_the_parent(child: dict[str, Any], wider: list[str]) -> None:
    narrow = {"actions": ("s3:GetObject",), **child}
    said = narrower([PARENT._replace(**narrow)], [PARENT])
    assert len(said) == len(wider)
    assert all(one.endswith(end) for one, end in zip(said, wider, strict=True))


@pytest.mark.parametrize(
    ("parent", "child", "wider"),
    [
        ({"task": "Q3"}, {"task": "Q3"}, ""),
        ({"task": "Q3"}, {}, "is not limited to the parent's task (Q3)"),
        ({}, {"task": "Q3"}, ""),
        ({"on_behalf": "ann"}, {}, "is not limited to acting on behalf of ann"),
        ({"ends_at": NOW}, {"ends_at": NOW}, ""),
        ({"ends_at": NOW}, {}, "lasts longer than the parent (24 Nov 2026 12:00 UTC)"),
        ({"revoked_at": NOW}, {}, "lasts longer than the parent (24 Nov 2026 12:00 UTC)"),
        ({"starts_at": NOW}, {}, "begins before the parent does (24 Nov 2026 12:00 UTC)"),
        ({"starts_at": NOW}, {"starts_at": NOW}, ""),
        ({"conditions": {"mfa": True}}, {}, "does not ask for a second factor, as the parent does"),
        (
            {"conditions": {"address": ["10.0.0.0/8"]}},
            {"conditions": {"address": ["10.1.0.0/16"]}},
            "",
        ),
        (
            {"conditions": {"address": ["10.0.0.0/8"]}},
            {"conditions": {"address": ["::/0"]}},
            "may be used from other addresses than the parent",
        ),
        (
            {"conditions": {"address": ["10.0.0.0/8"]}},
            {},
            "may be used from other addresses than the parent",
        ),
    ],
)
def test_child_limits_within_the_parent(
    parent: dict[str, Any], child: dict[str, Any], wider: str
) -> None:
    base = Grant("DLG-1", 1, ("s3:GetObject",), ("invoices/*",))
    said = narrower([base._replace(**child)], [base._replace(**parent)])
    assert said == ([f"s3:GetObject on invoices/* {wider}"] if wider else [])


@pytest.mark.parametrize(
    ("parent", "child", "within"),
    [
        ("arn:aws:s3:::invoices/*", "invoices/2026/*", True),
        ("invoices/*", "arn:aws:s3:::invoices/*", True),
        ("*", "arn:aws:s3:::invoices/*", True),
        ("arn:aws:s3:::*", "*", False),
        ("a*c", "abc*c", True),
        ("a*c", "a*b", False),
        ("a*b*c", "a*c", False),
        ("a*b*c", "axb*c", True),
        ("aba", "aba", True),
        ("ab*ba", "aba", False),
        ("**a", "a", True),
    ],
)
def test_child_resource_within_the_parents(parent: str, child: str, within: bool) -> None:
    one = Grant("DLG-1", 1, ("s3:GetObject",), (child,))
    assert (narrower([one], [one._replace(resources=(parent,))]) == []) is within


def test_child_of_nothing_widens_everything() -> None:
    assert narrower([PARENT._replace(actions=("s3:GetObject",))], []) == [
        "s3:GetObject on invoices/* is not delegated by the parent"
    ]
    assert narrower([], []) == []


SECRET = "arn:aws:secretsmanager:e:1:secret:prod/db"
CHILD_PLACES = (
    *PLACES,
    SECRET,
    f"{SECRET}-AbC123",
    "prod/*",
    "prod/db",
    "arn:aws:secretsmanager:*",
)
CHILD_TARGETS = (*TARGETS, "prod/db", SECRET, f"{SECRET}-AbC123", "inv", "inv/")
CHILD_ACTIONS = (*ACTIONS, "secretsmanager:GetSecretValue", "s3:ListObjects", "s3:HeadObject")


def test_what_only_narrows_never_allows_more() -> None:
    """Of a child with nothing to say against it, whatever is inside is inside its parent."""
    rng = random.Random(99)
    patterns = (*PATTERNS, *CHILD_ACTIONS, "s3:ListBucket")
    narrowed = allowed = 0
    for _ in range(3_000):
        child, parent = a_grant(rng, 1), a_grant(rng, 2)
        child = child._replace(
            actions=(rng.choice(patterns),),
            resources=(rng.choice(CHILD_PLACES),),
            task=None,
            starts_at=None,
            ends_at=NOW + timedelta(hours=1),
            revoked_at=None,
        )
        parent = parent._replace(
            actions=(rng.choice(patterns),),
            resources=tuple(rng.sample(CHILD_PLACES, 2)),
            task=None,
            starts_at=None,
            ends_at=rng.choice((None, NOW + timedelta(hours=1))),
            revoked_at=None,
            on_behalf=None,
            conditions=rng.choice(({}, {}, child.conditions)),
        )
        if narrower([child], [parent]):
            continue
        narrowed += 1
        inner, outer = compile_slice("C", [child]), compile_slice("P", [parent])
        asked = [
            a_request(rng)._replace(action=action, resource=target, task=None, on_behalf=None)
            for action in CHILD_ACTIONS
            for target in CHILD_TARGETS
        ]
        for request, verdict in zip(asked, judge_many(inner, asked, now=NOW), strict=True):
            if verdict.allowed:
                allowed += 1
                assert judge(outer, request, now=NOW).allowed, (child, parent, request)
    assert narrowed >= 200
    assert allowed >= 500
