"""What doctor says of reviews, well and not well."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone

from identities.acting import COMMAND
from reviews import accounts, checks
from reviews.models import AccountUse, BreakGlassAccount, Notice, Rota, SealedCode
from reviews.notices import rotas

pytestmark = pytest.mark.django_db


def said() -> dict[str, tuple[bool, str]]:
    return {name: (ok, message) for name, ok, message, _ in checks.doctor()}


def notice(**given: Any) -> Notice:
    then = timezone.now() - timedelta(hours=1)
    values = {"subject": "s", "body": "b", "occasion": "CS-1 asked"}
    return Notice.objects.create(**values | {"created_at": then, "not_before": then} | given)


def test_doctor_has_nothing_to_say_of_a_new_installation(settings: Any) -> None:
    settings.WEBHOOK_SECRET = ""
    assert said() == {
        "notices": (True, "none waits for long"),
        "webhooks": (True, "no secret to sign them with; 0 notices waiting"),
        "break-glass accounts": (True, "none yet: `manage.py break_glass_account` makes one"),
        "second factors": (True, "who decides needs none"),
        "login recoveries": (True, "none waits"),
        "sealed credentials": (True, "0 credentials watched for"),
        "on call": (True, "0 rotas read"),
        "tickets": (True, "0 trackers set up"),
    }


def test_doctor_says_why_notices_did_not_go_out() -> None:
    notice(failed_why="there is no mail address")
    notice(failed_why="later", occasion="CS-2 asked")
    notice(sent_at=timezone.now(), occasion="CS-3 asked")
    assert said()["notices"] == (
        False,
        "2 notices did not go out; the oldest: there is no mail address",
    )


def test_doctor_counts_notices_that_nobody_sends() -> None:
    notice()
    notice(occasion="CS-2 asked", not_before=timezone.now() + timedelta(hours=1))
    assert said()["notices"] == (False, "1 notice due and not sent for ten minutes")


def test_doctor_asks_for_the_secret_once_a_webhook_waits(settings: Any) -> None:
    notice(channel="webhook", address="https://192.0.2.1/")
    settings.WEBHOOK_SECRET = ""
    assert said()["webhooks"] == (False, "no secret to sign them with; 1 notice waiting")
    settings.WEBHOOK_SECRET = "A" * 32
    assert said()["webhooks"] == (True, "are signed")


def test_doctor_says_what_break_glass_accounts_lack() -> None:
    now, name = timezone.now(), "break-glass accounts"
    account, _ = accounts.make(
        username="glass", roles=["administrator"], kept="x", by=COMMAND, now=now
    )
    assert said()[name] == (True, "1 account ready")
    use = accounts.signed_in(account.user, "passkey", "192.0.2.1", now=now)
    assert said()[name] == (False, "1 use looked at by nobody")
    assert use is not None
    AccountUse.objects.all().delete()
    SealedCode.objects.exclude(pk=account.codes.order_by("pk")[0].pk).update(used_at=now)
    assert said()[name] == (False, "glass: fewer than 2 codes left, and no passkey")
    Authenticator.objects.create(user=account.user, type="webauthn", data={})
    assert said()[name] == (True, "1 account ready")
    BreakGlassAccount.objects.update(made_at=now - timedelta(days=91))
    assert said()[name] == (False, "none was practised for 90 days")


def test_doctor_says_which_rota_is_not_read(settings: Any, tmp_path: Path) -> None:
    file = tmp_path / "on-call.yaml"
    settings.ON_CALL = str(file)
    assert said()["on call"] == (False, f"{file} cannot be read (FileNotFoundError).")
    file.write_text("rotas: [{team: A, calendar: 'https://x/'}, {team: B, calendar: 'https://y/'}]")
    now = timezone.now()
    for one in rotas.entries():
        Rota.objects.create(
            team=one.team, settings_digest=one.digest, next_at=now,
            read_at=now if one.team == "A" else None,
            problem="" if one.team == "A" else "It answered 503.",
        )  # fmt: skip
    assert said()["on call"] == (False, "B: It answered 503.")
    Rota.objects.update(read_at=now, problem="")
    assert said()["on call"] == (True, "2 rotas read")
