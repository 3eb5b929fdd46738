"""The road's end: two owners sign one case, a key dies in a real API, and the page shows it."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import expect

from config.demo.aws import Demo
from config.demo.story import Keys
from identities.models import Credential, Revocation, User
from reviews.models import Case
from tests.browser.conftest import Open
from tests.browser.signing import answer, let_time_pass
from tests.planted import Planted, populated, secret_of


@pytest.fixture
def account(planted: Planted) -> Iterator[Demo]:
    """The story's account, alive and with nothing revoked in it yet."""
    with populated() as (demo, keys):
        assert keys == planted.keys
        yield demo


def works(account: Demo, key: str) -> bool:
    """Whether a real use of the key is taken."""
    try:
        account.clients(secret_of(key)).sts.get_caller_identity()
    except ClientError:
        return False
    return True


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("javascript", [True, False])
def test_two_owners_sign_and_the_key_is_dead(
    open_as: Open, planted: Planted, account: Demo, *, javascript: bool
) -> None:
    keys: Keys = planted.keys
    case = Case.objects.get(door="access_review", trigger="", identity__name="report-agent")
    titles = {row.ref: row.title for row in case.items.all()}
    old, minted = (
        titles[Credential.objects.get(actor__value=key).pk] for key in (keys.agent, keys.minted)
    )
    reading, writing = sorted(row.title for row in case.items.filter(kind="delegation"))
    policies = case.items.get(kind="entitlement").title
    assert works(account, keys.agent)
    for login in ("ines", "samuel"):
        page = open_as(User.objects.get(username=login), javascript=javascript)
        answer(page, case.key, old, "revoke", reason="It left its task; the key goes.")
        answer(page, case.key, minted, "revoke", reason="It made itself this key.")
        answer(
            page,
            case.key,
            reading,
            "narrow",
            reason="Only what was used.",
            left="s3:GetObject\ninvoices/*",
        )
        answer(page, case.key, writing, "keep", reason="Reports are still due.")
        answer(page, case.key, policies, "keep", reason="The policy is cleaned up elsewhere.")
    case.refresh_from_db()
    assert case.state == "decided"
    let_time_pass()
    assert [works(account, key) for key in (keys.agent, keys.minted)] == [False, False]
    assert not account.clients().iam.list_access_keys(UserName="svc-report-agent")[
        "AccessKeyMetadata"
    ]
    rows = Revocation.objects.filter(case=case.pk, step="revoke", credential__isnull=False)
    assert sorted(rows.values_list("state", flat=True)) == ["effective", "effective"]
    page.goto(f"/cases/{case.key}/")
    # Both deletions, and the hold that came before while the seats differed.
    asked = Revocation.objects.filter(case=case.pk)
    assert set(asked.values_list("state", flat=True)) == {"effective"}
    told = page.locator(".cs-list-side", has_text="effective")
    expect(told).to_have_count(asked.count())
    page.goto(f"/credentials/{Credential.objects.get(actor__value=keys.agent).key}/")
    expect(page.get_by_text("revoked").first).to_be_visible()
    case.refresh_from_db()
    assert case.state == "closed"
