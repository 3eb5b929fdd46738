"""A small company for break-glass: two teams that sign, one who asks, a bundle of two signatures."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)

from identities.models import Grant, Identity, Membership, Team, User
from reviews.break_glass import answering, asking, bundles, opening, rights
from reviews.models import Bundle, Case
from tests import once
from tests.reviews.conftest import ACCOUNT, DAY, NOW, make_user, party, person_of

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
BOTH = {"all_of": [{"team": "Platform", "n": 1}, {"team": "Security", "n": 1}]}
DOCUMENT: dict[str, Any] = {
    "words": "Contain an agent",
    "target": {"system": "aws", "account": ACCOUNT, "kind": "role", "name": "bg-contain"},
    "actions": ["s3:GetObject", "s3:ListBucket"],
    "resources": ["arn:aws:s3:::reports", "arn:aws:s3:::reports/*"],
    "quorum": BOTH,
    "patience_minutes": 5,
    "cap_minutes": 60,
    "cap_after_bypass_minutes": 15,
    "reason": {"least": 10},
}


@dataclass
class Company:
    """Who is there, and what can be asked for."""

    bundle: Bundle
    human: Identity  # of dana
    dana: User  # asks; in Platform
    pia: User  # Platform
    paul: User  # Platform
    sven: User  # Security
    sara: User  # Security
    rita: User  # a reviewer
    rex: User  # a responder
    root: User  # an administrator
    otto: User  # an auditor
    owen: User  # owns things, is in no team


def member(user: User, team: str, *, since: datetime = NOW - 3_650 * DAY) -> Membership:
    row = Team.objects.get_or_create(name=team)[0]
    return Membership.objects.create(
        team=row, person=person_of(user), during=(since, None), recorded_at=since
    )


# The secret of everybody's authenticator here.
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def with_factor(user: User, *, since: datetime = NOW - 90 * DAY) -> Authenticator:
    """An authenticator app of this login, added then."""
    row: Authenticator = TOTP.activate(user, SECRET).instance
    row.created_at = since
    row.save(update_fields=["created_at"])
    return row


def code() -> str:
    """What everybody's authenticator shows now."""
    return format_hotp_value(hotp_value(SECRET, next(yield_hotp_counters_from_time())))  # type: ignore[no-any-return]  # allauth ships no types


def put_in_force(slug: str, by: User, other: User, now: datetime = NOW, **said: Any) -> Bundle:
    """A bundle that two people signed."""
    text = json.dumps(DOCUMENT | said)
    row = bundles.propose(slug=slug, text=text, reason="we need it", by=by, now=now)
    return bundles.sign(bundle=row, by=other, now=now)


def tell_company() -> Company:
    dana = make_user("dana", "owner")
    with_factor(dana)
    human = Identity.objects.create(
        name="dana@example.org",
        kind="human",
        state="active",
        mode="observe",
        owner=party(dana),
        sponsor=party(make_user("sue", "owner")),
        backup=party(make_user("bob", "owner")),
        purpose="Dana's own access",
        expires_at=NOW + 300 * DAY,
        created_at=NOW - 90 * DAY,
    )
    human.refresh_from_db()
    people = {name: make_user(name, "owner") for name in ("pia", "paul", "sven", "sara", "owen")}
    for name, team in (("pia", "Platform"), ("paul", "Platform"), ("sven", "Security"),
                       ("sara", "Security")):  # fmt: skip
        member(people[name], team)
    member(dana, "Platform")
    # Not the names of the story of the other tests, beside which the company stands.
    people |= {
        "rita": make_user("ria", "reviewer"),
        "rex": make_user("rex", "responder"),
        "root": make_user("root", "administrator"),
        "otto": make_user("olaf", "auditor"),
    }
    bundle = put_in_force("contain-agent", people["rita"], people["root"])
    return Company(bundle=bundle, human=human, dana=dana, **people)


@pytest.fixture
@once.told
def company(db: None) -> Company:
    return tell_company()


def asked(company: Company, *, by: User | None = None, now: datetime = NOW, **said: Any) -> Case:
    """A request, of an hour by Dana unless something else is said."""
    wanted: dict[str, Any] = {
        "slug": "contain-agent",
        "minutes": 60,
        "reason": "stop report-agent at once",
    } | said
    return asking.ask(wanted=asking.Wanted(**wanted), by=by or company.dana, now=now)


def fresh(case: Case) -> Case:
    return Case.objects.select_related("break_glass__bundle", "identity").get(pk=case.pk)


def read(case: Case) -> str:
    """The digest of what waits for signatures, as a page shows it."""
    case = fresh(case)
    item = rights.waiting_item(case) or case.items.get(position=0)
    return opening.digest(case, case.break_glass, item)


def approve(case: Case, by: User, now: datetime = NOW, **said: Any) -> Case:
    wanted: dict[str, Any] = {"case": case, "by": by, "now": now, "digest": read(case)}
    return answering.approve(**wanted | said)


def opened(company: Company, now: datetime = NOW, **said: Any) -> Case:
    """Asked for and signed by both teams."""
    case = asked(company, now=now, **said)
    approve(case, company.pia, now)
    return approve(case, company.sven, now)


def at_target(case: Case, state: str, at: datetime) -> None:
    """The worker's part: what the target has shown of every grant of a case."""
    said: dict[str, Any] = {"state": state, "granting_at": at, "usable_at": at}
    if state == "ended":
        said |= {"ending_at": at, "removed_at": at, "ended_at": at}
    Grant.objects.filter(case=case.pk).update(**said)
