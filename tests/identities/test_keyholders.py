"""Which pairs of records say whose a standing key is, and which do not (pure)."""

import pytest

from identities.bindings import Shared, propose_shared
from identities.keyholders import Name, is_holder

AWS = "aws:123456789012"
USER = "arn:aws:iam::123456789012:user/"
ACCOUNT = "build@project-1.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("credential", "principal", "own"),
    [
        (("aws", "access_key", "AKIAX"), (AWS, "arn", USER + "svc"), True),
        (("aws", "access_key", "AKIAX"), (AWS, "arn", USER + "path/svc"), True),
        (("aws", "access_key", "AKIAX"), (AWS, "arn", "arn:aws:iam::123456789012:root"), True),
        (
            ("aws", "access_key", "AKIAX"),
            (AWS, "arn", "arn:aws-us-gov:iam::123456789012:user/s"),
            True,
        ),
        # Temporary keys, roles and what only a name is given of.
        (("aws", "access_key", "ASIAX"), (AWS, "arn", USER + "svc"), False),
        (("aws", "access_key", "AKIAX"), (AWS, "arn", "arn:aws:iam::123456789012:role/r"), False),
        (("aws", "access_key", "AKIAX"), (AWS, "role_session", "arn:aws:sts::1:x"), False),
        (("aws", "access_key", "AKIAX"), (AWS, "user", "svc"), False),
        (("aws", "access_key", "AKIAX"), ("otel:runner", "service", "svc"), False),
        # A key of Google's names its account; whoever borrows another account is not its holder.
        (
            ("gcp:project-1", "key", f"serviceAccounts/{ACCOUNT}/keys/1"),
            ("gcp:project-1", "service_account", ACCOUNT),
            True,
        ),
        (
            ("gcp:project-1", "key", f"serviceAccounts/{ACCOUNT}/keys/1"),
            ("gcp:project-1", "service_account", "other@project-1.iam.gserviceaccount.com"),
            False,
        ),
        (("okta:acme", "api_token", "00T1"), ("okta:acme", "user", "00u1"), True),
        (("okta:acme", "api_token", "00T1"), ("okta:other", "user", "00u1"), False),
        (("okta:acme", "token", "t1"), ("okta:acme", "user", "00u1"), False),
        (("okta:acme", "session", "s1"), ("okta:acme", "user", "00u1"), False),
        (("openai:org", "api_token", "k1"), ("openai:org", "service_account", "sa"), True),
        (("databricks:1", "api_token", "p1"), ("databricks:1", "user", "a@b.c"), True),
        (("snowflake:a", "api_token", "p1"), ("snowflake:a", "user", "ETL"), True),
        # May live an hour, or is lent: only who used it this once.
        (("github:acme", "token", "h="), ("github:acme", "user", "mona"), False),
        (("github:acme", "api_token", "7"), ("github:acme", "user", "mona"), False),
        (("vault:v", "token", "acc"), ("vault:v", "user", "mona"), False),
        (("kubernetes:k", "certificate", "x"), ("kubernetes:k", "user", "mona"), False),
        (("kubernetes:k", "token", "jti"), ("kubernetes:k", "service_account", "ns/sa"), False),
        (("pam:p", "account", "root@db"), ("pam:p", "user", "mona"), False),
    ],
)
def test_what_a_pair_means(
    credential: tuple[str, str, str], principal: tuple[str, str, str], own: bool
) -> None:
    assert is_holder(Name(*credential), Name(*principal)) is own


def test_shared_keys_are_questions_to_the_identities_of_both() -> None:
    names = {1: "AKIA1", 2: "AKIA2", 11: "user/a", 12: "user/b"}
    pairs = [Shared(1, 11), Shared(1, 12), Shared(2, 11)]

    def said(bound: dict[int, set[str]], *settled: tuple[int, str]) -> list[tuple[object, ...]]:
        held = {actor: frozenset(ids) for actor, ids in bound.items()}
        rows = propose_shared(reversed(pairs), held, names, settled=frozenset(settled))
        return [(row.actor, row.identity, row.seen, row.shared, row.reason) for row in rows]

    why = "records name this key with user/a, user/b"
    assert said({11: {"X"}, 12: {"Y"}}) == [(1, "X", 0, True, why), (1, "Y", 0, True, why)]
    assert said({11: {"X"}}) == [(1, "X", 0, True, why)]
    assert said({11: {"X"}, 12: {"X"}}) == [(1, "X", 0, False, why)]
    assert said({11: {"X"}, 12: {"Y"}}, (1, "X")) == [(1, "Y", 0, True, why)]
    assert said({}) == []
