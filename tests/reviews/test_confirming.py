"""Confirming who one is by an authenticator's code, through the forms that a browser sends."""

import base64
import hashlib
import hmac
import struct
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import LazySettings
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from identities.models import User
from reviews import actions
from reviews.models import Case, Decision

from .conftest import Told, item_of, seat_of

pytestmark = pytest.mark.django_db
PERIOD = 30


def code(secret: str, at: float) -> str:
    """RFC 6238 with its defaults: SHA-1, six digits, thirty seconds."""
    counter = struct.pack(">Q", int(at) // PERIOD)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


class Watch:
    """The time that allauth reads; it passes when the test says so."""

    def __init__(self) -> None:
        self.now = float(int(time.time()) // PERIOD * PERIOD)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    monkeypatch.setattr("time.time", found)
    return found


@pytest.fixture
def case(story: Told, settings: LazySettings) -> Case:
    settings.DEMO = False
    return actions.open_review(
        identity=story.identity, by=story.rita, now=timezone.now(), reason="yearly"
    )


@pytest.fixture
def ines(story: Told) -> Client:
    """Signed in, with no password: only a second factor can say who she is."""
    story.ines.set_unusable_password()
    story.ines.save()
    client = Client()
    client.force_login(story.ines, backend="django.contrib.auth.backends.ModelBackend")
    return client


def set_up(client: Client, watch: Watch) -> str:
    """Give the login an authenticator app, as its page does; the app's secret."""
    page = client.get("/accounts/2fa/totp/activate/")
    secret = str(page.context["form"].secret)
    done = client.post("/accounts/2fa/totp/activate/", {"code": code(secret, watch.now)})
    assert done.status_code == 302
    watch.now += PERIOD
    return secret


def sign(client: Client, case: Case, answer: str = "revoke") -> HttpResponse:
    item = item_of(case, "credential")
    return client.post(  # type: ignore[return-value]  # the stubs name the test client's own class
        f"/cases/{case.key}/decide/",
        {
            "item": str(item.pk),
            "seat": str(seat_of(case, "identity_owner").pk),
            "version": Case.objects.get(pk=case.pk).version,
            "answer": answer,
            "reason": "because",
        },
    )


def asked(client: Client, answer: HttpResponse) -> str:
    """The address that asks for a code, where the form of who has no password leads."""
    where = answer["Location"]
    assert urlsplit(where).path == "/accounts/2fa/reauthenticate/"
    asks = client.get(where)
    assert b"Confirm that it is you" in asks.content
    assert b'name="code"' in asks.content
    return where


def test_revoke_waits_for_the_code_and_is_signed_after_it(
    story: Told, case: Case, ines: Client, watch: Watch
) -> None:
    secret = set_up(ines, watch)
    # Setting it up confirmed who she is; five minutes later that is forgotten.
    watch.now += 301
    where = asked(ines, sign(ines, case))
    assert Decision.objects.count() == 0
    back = {"next": parse_qs(urlsplit(where).query)["next"][0]}
    for wrong in ("000000", code(secret, watch.now - 60 * PERIOD), "", "<b>1</b>", "1" * 9_000):
        refused = ines.post(where, {"code": wrong, **back})
        assert (refused.status_code, Decision.objects.count()) == (200, 0)
        watch.now += 60
    right = code(secret, watch.now)
    done = ines.post(where, {"code": right, **back})
    row = Decision.objects.get()
    assert (done.status_code, row.answer, row.by) == (302, "revoke", story.ines)


def test_a_code_is_good_once_and_for_five_minutes(
    story: Told, case: Case, ines: Client, watch: Watch
) -> None:
    secret = set_up(ines, watch)
    watch.now += 301
    where = asked(ines, sign(ines, case))
    used = code(secret, watch.now)
    ines.post(where, {"code": used, "next": f"/cases/{case.key}/decide/"})
    assert Decision.objects.count() == 1
    # Within five minutes nothing is asked; an answer may be changed and signed at once.
    watch.now += 299
    assert sign(ines, case)["Location"].startswith(f"/cases/{case.key}/")
    assert Decision.objects.count() == 2
    watch.now += 2
    asked(ines, sign(ines, case))
    assert Decision.objects.count() == 2


def test_keeping_asks_for_a_code_as_revoking_does(
    story: Told, case: Case, ines: Client, watch: Watch
) -> None:
    set_up(ines, watch)
    watch.now += 301
    asked(ines, sign(ines, case, "keep"))
    assert Decision.objects.count() == 0


def test_somebody_elses_code_confirms_nothing(
    story: Told, case: Case, ines: Client, watch: Watch
) -> None:
    set_up(ines, watch)
    other = Client()
    User.objects.filter(pk=story.samuel.pk).update(password="!")
    other.force_login(
        User.objects.get(pk=story.samuel.pk), backend="django.contrib.auth.backends.ModelBackend"
    )
    theirs = set_up(other, watch)
    watch.now += 301
    where = asked(ines, sign(ines, case))
    ines.post(where, {"code": code(theirs, watch.now)})
    assert Decision.objects.count() == 0
