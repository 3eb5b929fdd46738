"""From an empty installation to a signed policy and a launched campaign, as the README says."""

import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from identities.actions import logins
from identities.models import Identity, Person, User
from identities.models.people import GROUPS
from reviews.campaigns import launching
from reviews.models import Campaign, Case, ReviewPolicy, Seat

pytestmark = pytest.mark.django_db
README = Path(__file__).parents[2] / "README.md"
PASSWORD = "a first user's own pass phrase"


def section() -> str:
    return README.read_text("utf-8").split("## First user\n")[1].split("\n## ")[0]


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", section(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found.group(1)


def commands() -> list[list[str]]:
    lines = [shlex.split(line) for line in block("sh").strip().splitlines()]
    assert all(words[:2] == [".venv/bin/python", "manage.py"] for words in lines)
    return [words[2:] for words in lines]


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def set_password(link: str) -> Client:
    """Open the link, choose a password, and sign in with it."""
    browser = Client()
    asked = browser.get(link, follow=True)
    form = asked.redirect_chain[-1][0]
    done = browser.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    assert (done.status_code, done["Location"]) == (302, "/accounts/password/reset/key/done/")
    # Whoever is new here goes on from there.
    assert 'href="/accounts/login/"' in browser.get(done["Location"]).content.decode()
    return browser


def signed_in(login: str, browser: Client) -> Client:
    """Sign in where the link was opened, and add an authenticator app where that leads to."""
    response = browser.post("/accounts/login/", {"login": login, "password": PASSWORD})
    leads = "/accounts/2fa/" if settings.SECOND_FACTOR else "/"
    assert (response.status_code, response["Location"]) == (302, leads)
    if settings.SECOND_FACTOR:
        assert 'href="/accounts/2fa/totp/activate/"' in browser.get(leads).content.decode()
        asked = browser.get("/accounts/2fa/totp/activate/")["Location"]
        page = browser.post(asked, {"password": PASSWORD}, follow=True)
        form = page.context["form"]
        code = format_hotp_value(
            hotp_value(form.secret, next(iter(yield_hotp_counters_from_time())))
        )
        assert browser.post("/accounts/2fa/totp/activate/", {"code": code}).status_code == 302
    return browser


def confirmed(browser: Client, path: str, said: dict[str, str] | None = None) -> Any:
    """Post, say who one is, as is asked, and go on."""
    response = browser.post(path, said)
    if settings.SECOND_FACTOR:  # adding it said who one is
        return response
    assert response["Location"].split("?")[0] == "/accounts/reauthenticate/"
    return browser.post(response["Location"], {"password": PASSWORD}, follow=True)


@pytest.mark.parametrize("required", [True, False])
def test_the_readme_leads_from_nothing_to_a_signed_policy_and_a_launched_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, required: bool
) -> None:
    settings.SECOND_FACTOR = required
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.chdir(tmp_path)
    Path("house.yaml").write_text(block("yaml"), "utf-8")
    said = commands()
    assert [words[0] for words in said] == ["migrate", "login", "login", "register", "up"]
    # The database of the tests is migrated, and the web is Django's test client.
    links = [run(*words).splitlines()[-1] for words in said[1:3]]
    run(*said[3])
    browsers = [set_password(link) for link in links]
    ines, marek = signed_in("ines", browsers[0]), signed_in("marek", browsers[1])
    # What was registered becomes active by who answers for it.
    assert Identity.objects.get().state == "draft"
    confirmed(ines, "/owned/activate/", {"pick": str(Identity.objects.get().pk)})
    assert Identity.objects.get().state == "active"
    proposed = ines.post(
        "/policies/new/",
        {"name": "agents", "document": block("json"), "reason": "the first", "act": "propose"},
    )
    assert proposed.status_code == 302, proposed.content[:3_000]
    alone = ines.post("/policies/agents/1/sign/")
    assert "You proposed it: a second person signs." in alone.content.decode()
    confirmed(marek, "/policies/agents/1/sign/")
    policy = ReviewPolicy.objects.get(name="agents")
    assert (policy.state, policy.settled_by_name) == ("signed", "Marek Novak")
    made = ines.post(
        "/campaigns/new/",
        {"name": "First", "policy": str(policy.pk), "reason": "who has what"},
    )
    assert made.status_code == 302, made.content[:3_000]
    ines.post(f"{made['Location']}launch/", {"reason": "it is time"})
    while launching.launch_next(now=timezone.now()):
        pass
    assert Campaign.objects.get().state == "running"
    case = Case.objects.get()
    assert (case.identity, case.state) == (Identity.objects.get(), "open")
    seats = Seat.objects.filter(case=case, kind__in=["identity_owner", "ai_owner"])
    assert sorted((one.kind, str(one.party)) for one in seats) == [
        ("ai_owner", "Marek Novak"),
        ("identity_owner", "Ines Okafor"),
    ]


def test_migrating_makes_the_roles_and_again_changes_nothing() -> None:
    logins.ensure_roles()
    before = sorted(Group.objects.values_list("pk", "name"))
    assert sorted(name for _, name in before) == sorted(GROUPS)
    logins.ensure_roles()
    assert sorted(Group.objects.values_list("pk", "name")) == before


def test_a_link_sets_a_password_once() -> None:
    link = run("login", "ada", "--name", "Ada", "--email", "ada@example.org").splitlines()[-1]
    set_password(link)
    again = Client().get(link, follow=True)
    assert b"password1" not in again.content
    changed = run("login", "ada", "--role", "reviewer")
    assert changed.startswith("+ is reviewer now\n")
    user = User.objects.get(username="ada")
    assert (user.check_password(PASSWORD), user.person, user.is_superuser, user.is_staff) == (
        True,
        Person.objects.get(),
        False,
        False,
    )


def test_a_login_finds_the_person_of_a_registration_file() -> None:
    person = Person.objects.create(name="Ada Bello", email="Ada@Example.org")
    said = run("login", "ada", "--name", "Ada Bello", "--email", "ada@example.org")
    assert said.startswith("+ the login ada is new\n+ Ada Bello is behind it\n")
    assert User.objects.get().person == person


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (["ada"], "There is no login 'ada' yet: say whose it is, with --name and --email."),
        (["ada", "--name", "A", "--email", "no"], "'no' is no e-mail address."),
        (
            ["ben", "--name", "Ada"],
            "The login ben is Ben's: it stays theirs.",
        ),
        (
            ["eve", "--name", "E", "--email", "BEN@x.org"],
            "Another login has the address BEN@x.org.",
        ),
        (
            ["ben", "--role", "auditor"],
            "Auditors read everything and change nothing: an auditor has no other role.",
        ),
        (
            ["ben", "--password"],
            "There is no terminal to type a password on: leave --password out.",
        ),
        (
            ["cleo"],
            (
                "Cleo has left: say first that they are back (page People, or left: never in a"
                " registration file)."
            ),
        ),
    ],
)
def test_login_says_what_is_wrong(words: list[str], refused: str) -> None:
    run("login", "ben", "--name", "Ben", "--email", "ben@x.org", "--role", "owner")
    run("login", "cleo", "--name", "Cleo", "--email", "cleo@x.org")
    Person.objects.filter(name="Cleo").update(left_at=timezone.now())
    with pytest.raises(CommandError) as problem:
        run("login", *words)
    assert str(problem.value) == refused


def test_a_switched_off_login_works_again_and_says_so() -> None:
    run("login", "ben", "--name", "Ben", "--email", "ben@x.org")
    User.objects.update(is_active=False)
    assert run("login", "ben").startswith("+ is switched on again\n")
    assert User.objects.get().is_active


def test_second_login_of_a_person_is_no_second_signer() -> None:
    run("login", "ines", "--name", "Ines Okafor", "--email", "ines@example.com", "--role", "owner")
    words = ("login", "ines-admin", "--name", "Ines Okafor", "--email", "ines.admin@example.com")
    assert "+ is another login of Ines Okafor" in run(*words, "--second-of", "ines")
    assert "another login" not in run(*words, "--second-of", "ines")
    assert Person.objects.get() == User.objects.get(username="ines-admin").person
    assert "+ is another login of Ines" in run("login", "ines-3", "--second-of", "ines")
    run("login", "ines-4", "--second-of", "ines")  # neither has an address of its own
    assert User.objects.filter(person=Person.objects.get()).count() == 4
    run("login", "marek", "--name", "Marek Novak", "--email", "marek@example.com")
    for first, why in (("nobody", "There is no login 'nobody'"), ("marek", "is Ines Okafor's")):
        with pytest.raises(CommandError, match=why):
            run(*words, "--second-of", first)
