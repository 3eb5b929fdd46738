"""Seeds of second factors: encrypted in the database, for one login and one installation alone."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from allauth.mfa.totp.internal.auth import yield_hotp_counters_from_time as counters
from django.conf import LazySettings
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from identities.models import User
from reviews import checks, seeds

from .conftest import make_user

pytestmark = pytest.mark.django_db
SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def codes_unused() -> None:
    cache.clear()


def code() -> str:
    return str(format_hotp_value(hotp_value(SECRET, next(iter(counters())))))


def stored(row: Authenticator) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT data::text FROM mfa_authenticator WHERE id = %s", [row.pk])
        found: Any = cursor.fetchone()
    return str(found[0])


def read(row: Authenticator) -> Authenticator:
    return Authenticator.objects.get(pk=row.pk)


@pytest.fixture
def ada() -> User:
    return make_user("ada", "reviewer")


def test_seeds_lie_encrypted_and_their_codes_are_accepted(ada: User) -> None:
    totp = TOTP.activate(ada, SECRET)
    codes = RecoveryCodes.activate(ada)
    first = codes.generate_codes()[0]
    assert SECRET not in stored(totp.instance)
    assert f'"sealed:{ada.pk}:' in stored(totp.instance)
    assert f'"sealed:{ada.pk}:' in stored(codes.instance)
    assert read(totp.instance).wrap().validate_code(code())
    assert not read(totp.instance).wrap().validate_code("000000")
    assert read(codes.instance).wrap().validate_code(first)
    # Used once, and still sealed after it was written down.
    assert not read(codes.instance).wrap().validate_code(first)
    assert f'"sealed:{ada.pk}:' in stored(codes.instance)
    assert (seeds.unsealed(), seeds.unopened()) == (0, 0)


@pytest.mark.parametrize("renamed", [False, True])
def test_row_of_another_login_opens_nothing(ada: User, renamed: bool) -> None:
    row, bob = TOTP.activate(ada, SECRET).instance, make_user("bob", "reviewer")
    text = row.data["secret"]
    if renamed:
        text = text.replace(str(ada.pk), str(bob.pk))
    copy = Authenticator(user=bob, type="totp", data={"secret": text})
    copy.save()
    assert not read(copy).wrap().validate_code(code())
    assert read(row).wrap().validate_code(code())
    assert seeds.unopened() == 1
    assert checks._factors()[1] is False


def test_another_key_opens_nothing_and_doctor_says_so(ada: User, settings: LazySettings) -> None:
    row = TOTP.activate(ada, SECRET).instance
    settings.DIGEST_KEY = b"x" * 32
    assert not read(row).wrap().validate_code(code())
    assert "does not open" in checks._factors()[2]


def test_what_lies_plain_still_works_and_is_sealed_by_migrate(ada: User) -> None:
    row = Authenticator(user=ada, type="totp", data={"secret": SECRET})
    Authenticator.objects.bulk_create([row])  # as before: nothing seals what is written in bulk
    assert SECRET in stored(row)
    assert read(row).wrap().validate_code(code())
    name, ok, said, _ = checks._factors()
    assert (name, ok, said) == ("second factors", False, "1 seed not encrypted in the database")
    read(row).record_usage()
    assert SECRET in stored(row)
    assert seeds.seal_all() == 1
    assert (SECRET in stored(row), seeds.seal_all(), checks._factors()[1]) == (False, 0, True)
    cache.clear()
    assert read(row).wrap().validate_code(code())


def test_migrate_seals(ada: User) -> None:
    row = Authenticator(user=ada, type="totp", data={"secret": SECRET})
    Authenticator.objects.bulk_create([row])
    call_command("migrate", verbosity=0)
    assert SECRET not in stored(row)
