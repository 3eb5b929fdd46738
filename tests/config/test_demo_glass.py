"""The demo's break-glass: a newcomer asks, a reviewer signs, it is usable; and one look back waits."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.conf import settings
from django.utils import timezone

from config.demo import aws, glass, returning, rota, seed
from identities.acting import COMMAND
from identities.actions import grants, identities, registration
from identities.actions.grants import minting
from identities.enforcers.aws_clients import Credentials
from identities.models import Grant, Identity, User
from identities.register.reading import read
from reviews.break_glass import answering, asking, bundles, comparing, on_call, opening, rights
from reviews.models import BreakGlass, Bundle, Case, Notice
from reviews.pages import break_glass_lists
from tests.awslab.server import running

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def account() -> Iterator[aws.Demo]:
    with running() as demo:
        yield demo


@pytest.fixture
def told(
    account: aws.Demo, settings: Any, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> aws.Demo:
    """The people of the story and of the wave, and break-glass beside them."""
    settings.VAR = str(tmp_path_factory.mktemp("demo"))
    for name in ("AWS_ENDPOINT", "AWS_CREDENTIALS", "PROBE_FOLDER", "ALLOW_PRIVATE", "ON_CALL"):
        monkeypatch.setenv(f"COUNTERSIGN_{name}", "")
        setattr(settings, name, None)
    keys = returning.populate(account, 418)
    returning.use(account)
    now = timezone.now()
    begun = now - timedelta(days=60)
    seed.logins()
    for name in ("register.yaml", "wave.yaml"):
        text = Path(seed.__file__).with_name(name).read_text("utf-8")
        registration.register(entries=read(name, text), by=COMMAND, now=begun)
    seed.people()
    for one in Identity.objects.filter(owner__isnull=False):
        identities.activate(identity=one, by=COMMAND, now=begun)
    seed._source("finance-prod", "CloudTrail", "identity", begun)
    glass.plant(keys, now=now, say=lambda _: None)
    return account


def test_a_newcomer_meets_the_whole_of_it(told: aws.Demo) -> None:
    now = timezone.now()
    assert [one.slug for one in bundles.catalogue()] == ["finance-read", "load-repair",
                                                         "secret-replace"]  # fmt: skip
    # Last night's, given and taken away at the account, waits for whoever signs in first.
    night = BreakGlass.objects.select_related("case", "bundle").get()
    ines, leila = (User.objects.get(username=one) for one in ("ines", "leila"))
    assert (night.case.state, night.bypassed_at is None) == ("in_review", False)
    assert rights.why_not_review(ines, night.case, now=now) is None
    assert Grant.objects.get().state == "ended"
    seen = comparing.compare(night, now=now)
    assert seen.counts() == {"in_scope": 4, "out_of_scope": 0, "unexplained": 0}
    links = [link for _, link in glass.worth_a_look("")]
    assert links == ["/break-glass/new/", f"/break-glass/{night.case.key}/"]
    # Asked for by one, signed by the other, and usable at the account.
    case = asking.ask(
        wanted=asking.Wanted(slug="finance-read", minutes=30, reason="the report is wrong"),
        by=leila,
        now=now,
    )
    case = Case.objects.select_related("break_glass__bundle", "identity").get(pk=case.pk)
    item = rights.waiting_item(case)
    assert item is not None
    read_ = opening.digest(case, case.break_glass, item)
    answering.approve(case=case, by=ines, now=now, digest=read_)
    while grants.grant_next(now=now):
        pass
    grant = Grant.objects.get(case=case.pk)
    assert (grant.state, grant.failed_why) == ("usable", "")
    assert lists(told, grant, leila) == "listed"
    # The account comes back empty, and what is given is given to it again.
    told.clients().iam.delete_role_policy(
        RoleName=grant.name, PolicyName=f"CountersignGrant-{grant.key}"
    )
    assert lists(told, grant, leila) == "AccessDenied"
    returning.settle(told)
    assert lists(told, grant, leila) == "listed"
    asks_whoever_is_on_call()


def asks_whoever_is_on_call() -> None:
    """Whoever asks reads who is there, with their hours, and they are told first."""
    rota.use()
    noon, samuel = timezone.now().replace(hour=12), User.objects.get(username="samuel")
    rota.read(now=noon)
    assert [one["problem"] for one in on_call.overview(now=noon)["rotas"]] == ["", ""]
    says = rights.document_of(Bundle.objects.get(slug="finance-read"))
    for now, first in (
        (noon, f"Leila Haddad (on call until {noon:%-d %b} 19:00 UTC)"),
        (noon.replace(hour=3), f"Marek Novák (on call until {noon:%-d %b} 07:00 UTC)"),
    ):
        assert break_glass_lists.can_sign(says, samuel, now=now).split(", ")[0] == first
    case = asking.ask(
        wanted=asking.Wanted(slug="load-repair", minutes=30, reason="what it wrote breaks reports"),
        by=User.objects.get(username="jonas"),
        now=noon,
    )
    told_ = Notice.objects.filter(occasion=f"{case.key} asked", person__isnull=False)
    assert set(told_.values_list("person__name", flat=True)) == {"Leila Haddad"}
    # A rota of the operator's own stays.
    rota.use()
    assert settings.ON_CALL.endswith("on-call.yaml")


def lists(account: aws.Demo, grant: Grant, holder: User) -> str:
    """What the account answers to the holder's own session."""
    said = minting.mint(grant.pk, by=holder, now=timezone.now()).document
    mine = Credentials(said["AccessKeyId"], said["SecretAccessKey"], said["SessionToken"])
    try:
        account.clients(mine).client("s3").list_objects_v2(Bucket="invoices")
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return "listed"
