"""Break-glass accounts: sealed codes that work once, a throttle by address, alarms, and four eyes."""

from datetime import timedelta

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from evidence.models import LedgerEntry
from identities.acting import COMMAND
from identities.models import User
from identities.permissions import NotAllowed, NotPossible
from reviews import accounts
from reviews.accounts import entering
from reviews.accounts.making import digest_of
from reviews.models import AccountAttempt, BreakGlassAccount, Notice, SealedCode
from tests.reviews.conftest import NOW, make_user

pytestmark = pytest.mark.django_db
WHY = "the identity provider is down"


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada", "administrator")


@pytest.fixture
def made(ada: User) -> tuple[BreakGlassAccount, list[str]]:
    return accounts.make(
        username="glass", roles=["administrator"], kept="the safe", by=ada, now=NOW
    )


def enter(code: str, name: str = "glass", address: str = "192.0.2.7", **said: object) -> object:
    given = {"who": "Mia", "why": WHY, "now": NOW, **said}
    return accounts.enter(name=name, code=code, address=address, **given)  # type: ignore[arg-type]  # of tests


def told() -> QuerySet[Notice]:
    return Notice.objects.filter(subject__contains="break-glass account glass is in use")


def test_no_code_is_kept(made: tuple[BreakGlassAccount, list[str]]) -> None:
    account, codes = made
    assert len(set(codes)) == 10
    kept = [bytes(one.digest) for one in account.codes.all()]
    assert len(kept) == 10
    assert not any(code.encode() in one for code in codes for one in kept)
    assert not account.user.has_usable_password()
    assert authenticate(username="glass", password=codes[0]) is None
    said = str(list(LedgerEntry.objects.values_list("words", "data")))
    assert "glass" in said
    assert not any(code in said for code in codes)


@pytest.mark.parametrize(
    "typed", [str, str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "]
)
def test_a_code_signs_in_once_however_it_is_typed(
    made: tuple[BreakGlassAccount, list[str]], typed: object
) -> None:
    _, codes = made
    came = enter(typed(codes[0]))  # type: ignore[operator]  # a function of the table
    assert came.user.username == "glass"  # type: ignore[attr-defined]  # Came
    with pytest.raises(NotPossible, match="unused code"):
        enter(codes[0])
    enter(codes[1])


def test_letters_that_are_misread_are_understood(made: tuple[BreakGlassAccount, list[str]]) -> None:
    account, _ = made
    digest = digest_of(account.pk, "01010-AAAAA-AAAAA-AAAAA")
    SealedCode.objects.create(account=account, digest=digest, made_at=NOW)
    enter("oIoLo-aaaaa-aaaaa-aaaaa")


@pytest.mark.parametrize("name", ["glass", "nobody", "ada", "x" * 900, "gl\0ass"])
def test_what_is_wrong_is_not_said(made: tuple[BreakGlassAccount, list[str]], name: str) -> None:
    with pytest.raises(NotPossible, match=entering.WRONG.split(" and")[0]):
        enter("AAAAA-AAAAA-AAAAA-AAAAA", name)
    assert not told().exists()


@pytest.mark.parametrize(("field", "value"), [("who", " "), ("why", "short"), ("who", "x" * 201)])
def test_who_and_why_are_asked_before_a_code_is_spent(
    made: tuple[BreakGlassAccount, list[str]], field: str, value: str
) -> None:
    account, codes = made
    with pytest.raises(NotPossible, match="Say w"):
        enter(codes[0], **{field: value})
    assert account.codes.filter(used_at=None).count() == 10


def test_everybody_who_may_act_is_told_at_once(
    made: tuple[BreakGlassAccount, list[str]], settings: object
) -> None:
    settings.ALERT_EMAIL = "alarm@example.org"  # type: ignore[attr-defined]  # pytest-django's
    settings.WEBHOOK_URL = "https://chat.example.org/hook"  # type: ignore[attr-defined]  # the same
    for name, group in (("rex", "responder"), ("rita", "reviewer"), ("olga", "owner")):
        make_user(name, group)
    _, codes = made
    enter(codes[0])
    assert sorted(one.person.name for one in told() if one.person) == ["Ada", "Rex", "Rita"]
    assert {one.address for one in told()} >= {"alarm@example.org", "https://chat.example.org/hook"}
    assert all(one.not_before == NOW and WHY in one.body for one in told())
    assert LedgerEntry.objects.filter(act="break_glass_account.used").count() == 1


def test_the_throttle_is_of_the_address_and_never_of_the_account(
    made: tuple[BreakGlassAccount, list[str]],
) -> None:
    _, codes = made
    for number in range(entering.MOST):
        with pytest.raises(NotPossible, match="unused code"):
            enter("AAAAA", address=f"2001:db8::{number:x}")  # one network: one address
    with pytest.raises(accounts.TooMany) as refused:
        enter(codes[0], address="2001:db8::ffff")
    assert 0 < refused.value.seconds <= entering.WINDOW.total_seconds()
    assert AccountAttempt.objects.count() == entering.MOST
    enter(codes[0], address="2001:db8:0:1::1")
    enter(codes[1], address="2001:db8::ffff", now=NOW + entering.WINDOW + timedelta(seconds=1))
    assert AccountAttempt.objects.count() == 1  # what is over is forgotten


def test_new_codes_replace_the_old(made: tuple[BreakGlassAccount, list[str]], ada: User) -> None:
    account, old = made
    new = accounts.seal(account=account, by=ada, now=NOW)
    with pytest.raises(NotPossible, match="unused code"):
        enter(old[0])
    enter(new[0])


def test_the_last_one_stays(made: tuple[BreakGlassAccount, list[str]], ada: User) -> None:
    account, _ = made
    with pytest.raises(NotPossible, match="last break-glass account"):
        accounts.end(account=account, reason="not needed", by=ada, now=NOW)
    with pytest.raises(IntegrityError, match="last break-glass account"), transaction.atomic():
        User.objects.filter(pk=account.user_id).update(is_active=False)
    with pytest.raises(IntegrityError, match="last break-glass account"), transaction.atomic():
        account.delete()
    other, codes = accounts.make(username="glass-2", roles=["responder"], kept="x", by=ada, now=NOW)
    accounts.end(account=account, reason="another is there", by=ada, now=NOW)
    assert not User.objects.get(username="glass").is_active
    with pytest.raises(NotPossible, match="last"):
        accounts.end(account=other, reason="x", by=ada, now=NOW)
    enter(codes[0], "glass-2")
    with pytest.raises(NotPossible, match="has ended"):
        accounts.seal(account=account, by=ada, now=NOW)


def test_other_logins_are_switched_off_as_before(
    made: tuple[BreakGlassAccount, list[str]], ada: User
) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert not User.objects.get(pk=ada.pk).is_active


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"roles": []}, "roles that can act"),
        ({"roles": ["auditor"]}, "roles that can act"),
        ({"kept": " "}, "where its codes"),
        ({"username": "ada"}, "already exists"),
        ({"username": "two words"}, "valid username"),
        ({"second_of": "nobody"}, "no login 'nobody'"),
    ],
)
def test_what_cannot_be_made(ada: User, said: dict[str, object], why: str) -> None:
    given = {"username": "glass", "roles": ["administrator"], "kept": "x", **said}
    with pytest.raises(NotPossible, match=why):
        accounts.make(**given, by=ada, now=NOW)  # type: ignore[arg-type]  # of the table
    assert not BreakGlassAccount.objects.exists()


def test_only_administrators_make_them(db: None) -> None:
    rex = make_user("rex", "responder")
    with pytest.raises(NotAllowed):
        accounts.make(username="g", roles=["responder"], kept="x", by=rex, now=NOW)


def test_somebody_else_looks_at_a_use(made: tuple[BreakGlassAccount, list[str]]) -> None:
    rex, mia = make_user("rex", "responder"), make_user("mia", "responder")
    own, _ = accounts.make(
        username="glass-mia", roles=["responder"], kept="x", second_of="mia", by=COMMAND, now=NOW
    )
    use = accounts.signed_in(own.user, "passkey", "192.0.2.9", now=NOW)
    assert use is not None
    assert accounts.signed_in(mia, "passkey", "192.0.2.9", now=NOW) is None
    with pytest.raises(NotAllowed, match="your own use"):
        accounts.look_back(use=use, kind="drill", words="a drill", by=mia, now=NOW)
    with pytest.raises(NotPossible, match="Say what it was"):
        accounts.look_back(use=use, kind="fine", words="x", by=rex, now=NOW)
    accounts.look_back(use=use, kind="drill", words="announced", by=rex, now=NOW)
    assert not accounts.open_uses().exists()
    with pytest.raises(NotAllowed, match="looked at it already"):
        accounts.look_back(use=use, kind="misuse", words="x", by=rex, now=NOW)


def test_the_command_prints_codes_that_work(capsys: pytest.CaptureFixture[str], db: None) -> None:
    call_command("break_glass_account", "glass", "--kept", "the safe")
    first = capsys.readouterr().out.split()[-1]
    call_command("break_glass_account", "glass")
    with pytest.raises(NotPossible):
        enter(first)
    enter(capsys.readouterr().out.split()[-1])
    with pytest.raises(CommandError, match="where its codes"):
        call_command("break_glass_account", "glass-2")
