"""Two at once: a recovery is carried out once, and it is cancelled or carried out, never both."""

import contextlib
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.db import transaction

from evidence.models import LedgerEntry
from identities.permissions import NotAllowed
from reviews import recovering
from reviews.models import Notice, Recovery

from .accounts.test_account_races import at_once
from .conftest import NOW, make_user
from .permission_recoveries import with_factor

pytestmark = pytest.mark.django_db(transaction=True)


def test_carried_out_once_by_many_workers() -> None:
    ada = with_factor(make_user("ada", "administrator"))
    row = recovering.ask(login="ada", kind="factor", reason="lost", asker="root", now=NOW)
    at_once([lambda: recovering.carry_out_next(now=row.due_at)] * 6)
    assert LedgerEntry.objects.filter(act="recovery.done").count() == 1
    assert Notice.objects.filter(occasion=f"{row.key} done").count() == 1
    assert not Authenticator.objects.filter(user=ada).exists()


def test_cancelled_or_carried_out_and_never_both() -> None:
    bea = make_user("bea", "reviewer")
    for number in range(4):
        ada = with_factor(make_user(f"ada-{number}", "administrator"))
        row = recovering.ask(
            login=ada.username, kind="factor", reason="lost", asker="root", now=NOW
        )

        def cancel(row: Recovery = row) -> None:
            with contextlib.suppress(NotAllowed):  # carried out already
                recovering.cancel(row=row, reason="no", by=bea, now=row.due_at)

        at_once([cancel, lambda due=row.due_at: recovering.carry_out_next(now=due)])  # type: ignore[misc]  # bound now
        row.refresh_from_db()
        kept = Authenticator.objects.filter(user=ada).exists()
        assert kept is (row.state == "cancelled")


def test_killed_before_its_commit_it_is_carried_out_later() -> None:
    ada = with_factor(make_user("ada", "administrator"))
    row = recovering.ask(login="ada", kind="factor", reason="lost", asker="root", now=NOW)

    def killed() -> None:
        with transaction.atomic():
            recovering.carry_out_next(now=row.due_at)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert Authenticator.objects.filter(user=ada).exists()
    assert recovering.carry_out_next(now=row.due_at + timedelta(hours=1))
    assert not Authenticator.objects.filter(user=ada).exists()
