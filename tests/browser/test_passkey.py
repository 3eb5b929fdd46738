"""Confirming who one is by a passkey: Chromium's own virtual authenticator, page by page."""

import base64
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import CDPSession, Page, expect

from identities.models import Credential, User
from reviews.models import Case, Decision, Item
from tests.browser.conftest import Open
from tests.browser.signing import confirm, open_item
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)
type Key = dict[str, Any]


class Authenticator:
    """A security key plugged into one page."""

    def __init__(self, page: Page) -> None:
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable")
        made = self.session.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        self.id = made["authenticatorId"]

    def keys(self) -> list[Key]:
        found = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        keys: list[Key] = found["credentials"]
        return keys

    def hold(self, key: Key) -> None:
        self.session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": key})


def registered(open_as: Open) -> Key:
    """Ines adds a passkey on its page, after her password; the key that the authenticator made."""
    page = open_as(User.objects.get(username="ines"), confirmed=False)
    key = Authenticator(page)
    page.goto("/accounts/2fa/webauthn/add/")
    confirm(page)
    page.locator("input[name=name]").fill("blue key")
    page.locator("#mfa_webauthn_add").click()
    expect(page.get_by_text("Security key added.")).to_be_visible()
    (made,) = key.keys()
    return made


@pytest.fixture
def item(planted: Planted) -> Item:
    case = Case.objects.get(door="access_review", trigger="", identity__name="report-agent")
    key = Credential.objects.get(actor__value=planted.keys.agent)
    return case.items.get(kind="credential", ref=key.pk)


def signed(item: Item) -> list[str]:
    """What Ines has answered on the item."""
    rows = Decision.objects.filter(item=item, by__username="ines").order_by("at")
    return list(rows.values_list("answer", flat=True))


def revoke(page: Page, item: Item) -> None:
    """Sign the revocation; the page asks who one is, and is led to the key."""
    open_item(page, item.case.key, item.title)
    form = page.locator("form[data-decide]")
    form.locator("input[name=answer][value=revoke]").check()
    form.locator("textarea[name=reason]").fill("It left its task.")
    form.get_by_role("button", name="Sign").click()
    # The password confirms nothing here; with recovery codes, a code is asked for first.
    page.wait_for_url(re.compile("/accounts/2fa/reauthenticate/"))
    assert signed(item) == []
    page.get_by_role("link", name="security key").click()
    page.wait_for_url(re.compile("/accounts/2fa/webauthn/reauthenticate/"))
    page.locator("#mfa_webauthn_reauthenticate").click()


def test_a_revoke_is_signed_after_the_passkey(open_as: Open, item: Item) -> None:
    made = registered(open_as)
    page = open_as(User.objects.get(username="ines"), confirmed=False)
    Authenticator(page).hold(made)
    revoke(page, item)
    expect(page.get_by_text(f"answered revoke on {item.title}").first).to_be_visible()
    assert signed(item) == ["revoke"]


def test_another_key_under_the_same_name_signs_nothing(open_as: Open, item: Item) -> None:
    made = registered(open_as)
    page = open_as(User.objects.get(username="ines"), confirmed=False)
    forged = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    Authenticator(page).hold({**made, "privateKey": base64.b64encode(forged).decode()})
    revoke(page, item)
    expect(page.get_by_text("Incorrect code").first).to_be_visible()
    assert signed(item) == []
