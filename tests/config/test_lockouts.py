"""Wrong passwords slow who guesses them, and lock nobody else out."""

from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from identities.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"
HOME, ATTACKER = "198.51.100.7", "203.0.113.66"
SIGN_IN, CONFIRM = "/accounts/login/", "/accounts/reauthenticate/"


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    """What is counted lies in the broker, which no transaction takes back."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def ines(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ines", "ines@example.org", PASSWORD)


def sign_in(
    address: str,
    password: str = PASSWORD,
    *,
    login: str = "ines",
    device: SimpleCookie | None = None,
) -> tuple[str, Client]:
    """How it ended, by a browser of its own unless it brings a `device`."""
    client = Client(REMOTE_ADDR=address)
    if device is not None:
        client.cookies = device
    answer = client.post(SIGN_IN, {"login": login, "password": password})
    return ended(answer), client


def ended(answer: object) -> str:
    if answer.status_code == 302:  # type: ignore[attr-defined]  # the test client's answer
        return "in"
    assert answer.status_code == 200  # type: ignore[attr-defined]  # the same
    (errors,) = answer.context["form"].errors.values()  # type: ignore[attr-defined]  # the same
    return "refused" if "Too many" in errors[0] else "wrong"


def guess(address: str, times: int, *, login: str = "ines") -> list[str]:
    return [sign_in(address, "a wrong password", login=login)[0] for _ in range(times)]


def device_of(client: Client) -> SimpleCookie:
    """What stays of a browser after its session ended."""
    kept = SimpleCookie()
    kept["countersign_device"] = client.cookies["countersign_device"].value
    return kept


def test_guesses_of_others_do_not_lock_a_person_out(ines: User) -> None:
    assert guess(ATTACKER, 8) == ["wrong"] * 5 + ["refused"] * 3
    assert sign_in(ATTACKER)[0] == "refused"
    assert sign_in(HOME)[0] == "in"


@pytest.mark.parametrize(
    "near",
    ["203.0.113.9", "::ffff:203.0.113.9"],
)
def test_guesses_count_against_the_network(ines: User, near: str) -> None:
    guess(ATTACKER, 5)
    assert sign_in(near)[0] == "refused"


def test_guesses_from_one_site_of_ipv6_count_together(ines: User) -> None:
    for number in range(5):
        assert guess(f"2001:db8:7:{number}::1", 1) == ["wrong"]
    assert sign_in("2001:db8:7:ffff::1")[0] == "refused"
    assert sign_in("2001:db8:8::1")[0] == "in"


def test_known_browser_gets_in_beside_the_attacker(ines: User) -> None:
    outcome, client = sign_in(ATTACKER)
    assert outcome == "in"
    device = device_of(client)
    # Everything that an address is good for is used up, under this name and others.
    guess(ATTACKER, 10)
    guess(ATTACKER, 10, login="otto")
    assert sign_in(ATTACKER)[0] == "refused"
    assert sign_in(ATTACKER, device=device)[0] == "in"


def test_many_networks_are_slowed_and_the_person_still_gets_in(ines: User) -> None:
    networks = [f"10.0.{number}.1" for number in range(30)]
    outcomes = [outcome for address in networks for outcome in guess(address, 5)]
    # Five of each of the first four; from then on one of each.
    assert outcomes.count("wrong") == 20 + 26
    assert outcomes[20:25] == ["wrong", *["refused"] * 4]
    assert sign_in(HOME)[0] == "in"
    # Getting in forgives nothing: the next guess from a used network is refused as before.
    assert guess(networks[-1], 1) == ["refused"]


def test_name_and_mail_are_one_account(ines: User) -> None:
    guess(ATTACKER, 3)
    assert guess(ATTACKER, 3, login="INES@example.org") == ["wrong", "wrong", "refused"]


def test_names_that_do_not_exist_are_answered_like_others(ines: User) -> None:
    assert guess(HOME, 7, login="nobody") == guess(ATTACKER, 7)


def test_known_browser_has_a_limit_of_its_own(ines: User) -> None:
    device = device_of(sign_in(HOME)[1])
    outcomes = [sign_in(HOME, "a wrong password", device=device)[0] for _ in range(12)]
    assert outcomes == ["wrong"] * 10 + ["refused"] * 2
    # Whoever has this browser cannot lock out another one.
    assert sign_in(HOME)[0] == "in"


@pytest.mark.parametrize("kind", ["none", "forged", "of another"])
def test_browser_of_somebody_else_is_not_known(
    ines: User, django_user_model: type[User], kind: str
) -> None:
    django_user_model.objects.create_user("otto", "otto@example.org", PASSWORD)
    device = device_of(sign_in(ATTACKER, login="otto")[1])
    if kind == "forged":
        device["countersign_device"] = device["countersign_device"].value[:-2] + "AA"
    guess(ATTACKER, 5)
    assert sign_in(ATTACKER, device=None if kind == "none" else device)[0] == "refused"


def test_signed_in_person_confirms_while_somebody_guesses(ines: User) -> None:
    client = Client(REMOTE_ADDR=HOME)
    client.force_login(ines)
    for number in range(30):
        guess(f"10.0.{number}.1", 5)
    guess(HOME, 10)
    assert ended(client.post(CONFIRM, {"password": "a wrong password"})) == "wrong"
    assert ended(client.post(CONFIRM, {"password": PASSWORD})) == "in"


def test_reset_password_is_good_at_once(ines: User) -> None:
    guess(HOME, 6)
    client = Client(REMOTE_ADDR=HOME)
    client.post("/accounts/password/reset/", {"email": "ines@example.org"})
    (sent,) = mail.outbox
    (link,) = [word for word in sent.body.split() if "/password/reset/key/" in word]
    form = client.get(link, follow=True)
    new = "another long password"
    at = form.redirect_chain[-1][0]
    assert client.post(at, {"password1": new, "password2": new}).status_code == 302
    assert sign_in(HOME, new)[0] == "in"


def test_cookie_goes_nowhere_else(ines: User) -> None:
    cookie = sign_in(HOME)[1].cookies["countersign_device"]
    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == (
        "/accounts/",
        "Strict",
        True,
    )
    assert "ines" not in cookie.value
