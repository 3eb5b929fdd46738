"""The insider's walk: every address that changes something, sent by every role and every token.

Everything that waits for a second signature was proposed by who walks. After each request what is in
force is compared with what it was before, and the request is taken back.
"""

import json
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from evidence import doors
from evidence.models import Source
from evidence.names import memory
from identities.models import User
from tests.reviews.conftest import NOW, Told, make_user, person_of, record, story
from tests.reviews.test_api import token
from tests.reviews.test_api_permission_first import Act, acts
from tests.road import insider_state as state
from tests.road.insider_routes import (
    Forms,
    Route,
    bodies_of_the_api,
    name_at,
    routes,
)
from tests.road.insider_table import LINES, act_of, alone, line_of
from tests.road.insider_world import DAY, WORDS, World, proposed_by

__all__ = ["acts", "story"]
pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
# What one person drops onto a source: a record by which the key called once more.
RECORD = json.dumps({"Records": [record(77, "DeleteObject", "invoices/1.pdf", NOW)]})
FILE = encode_multipart(
    BOUNDARY, {"file": SimpleUploadedFile("more.json", RECORD.encode()), "format": ""}
)
TOKENS = ("act", "read", "decide", "declare", "signals")


class Answer(NamedTuple):
    route: str
    status: int
    said: str
    changed: frozenset[str]
    wrote: bool
    body: str


def said_by(response: Any) -> str:
    """The sentence of an answer, where it has one."""
    if response.streaming:
        for _ in response:
            pass  # read to its end, which is where its file is closed
        return ""
    text = response.content.decode(errors="replace")
    if "json" in response.get("Content-Type", ""):
        found = json.loads(text)
        return str(found.get("detail", found) if isinstance(found, dict) else "")[:200]
    found = re.search(r"</h1>\s*<p>([^<]*)</p>", text) if response.status_code >= 400 else None
    return found[1][:200] if found else response.get("Location", "")[:200]


class Walker:
    """One person's browser or one token, and what it is answered."""

    def __init__(self, world: World, user: User | None, headers: dict[str, str] | None) -> None:
        self.world, self.headers = world, headers or {}
        self.client = Client(raise_request_exception=False)
        self.answers: list[Answer] = []
        if user is not None and headers is None:
            user.set_password("x")
            user.save()
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            session = self.client.session
            session["account_authentication_methods"] = [
                {"method": "password", "at": time.time(), "reauthenticated": True}
            ]
            session["account_authentication_methods_user"] = str(user.pk)
            session.save()
        self.before = state.in_force()

    def repaired(self, route: str, address: str, verb: str, body: dict[str, Any]) -> None:
        """Send a body to the API, and again as long as its answer says which members are wrong."""
        for _ in range(4):
            wrong = self.send(route, address, verb, body, form=False)
            if not wrong:
                return
            body = dict(body)
            for member, why in wrong.items():
                said, known = str(why), self.world.values.get(member, WORDS)
                if "required" in said or "blank" in said:
                    body[member] = known
                elif "Datetime" in said:
                    body[member] = (NOW + DAY).isoformat()
                elif "Expected a dictionary" in said:
                    body[member] = {}
                else:
                    body.pop(member, None)

    def send(
        self, route: str, address: str, verb: str, body: Any, *, form: bool, kind: str = ""
    ) -> dict[str, Any]:
        """Send one request, note what it changed, and take it back; which members were wrong."""
        kept = {name: one.value for name, one in self.client.cookies.items()}
        with state.writes() as seen, transaction.atomic():
            response = self.client.generic(
                verb,
                address,
                _encoded(body) if form else body if isinstance(body, bytes) else json.dumps(body),
                content_type=kind or FORM if form or kind else "application/json",
                headers=self.headers,
            )
            wrote = seen["writes"] > 0
            changed = state.differs(self.before, state.in_force()) if wrote else frozenset()
            transaction.set_rollback(True)
        said = said_by(response)
        self.answers.append(
            Answer(route, response.status_code, said, changed, wrote, str(body)[:300])
        )
        if wrote:
            memory.forget()
        cache.clear()
        for name in list(self.client.cookies):
            if name not in kept:
                del self.client.cookies[name]
        for name, value in kept.items():
            self.client.cookies[name] = value
        if response.status_code != 400 or "json" not in response.get("Content-Type", ""):
            return {}
        found = response.json()
        return found if isinstance(found, dict) and "detail" not in found else {}


def _encoded(body: dict[str, Any]) -> str:
    plain = {
        key: one if isinstance(one, str | int | list) else str(one) for key, one in body.items()
    }
    return urlencode(plain, doseq=True)


def readable(client: Client, world: World) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every form that this person is shown anywhere: route, address, what it sends along."""
    pages = [world.address(one) for one in routes() if "GET" in one.verbs and not _outside(one)]
    seen: set[str] = set()
    following: set[str] = set()
    for page in pages:
        yield from _forms(client, page, seen, following)
    for link in sorted(following - seen)[:150]:
        yield from _forms(client, link, seen, set())


def _outside(route: Route) -> bool:
    return route.path.startswith(("api/", "accounts/", "styleguide/", "metrics", "signals/"))


def _forms(
    client: Client, page: str, seen: set[str], following: set[str]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    seen.add(page)
    response = client.get(page)
    if response.streaming:
        for _ in response:
            pass  # read to its end, which is where its file is closed
        return
    if response.status_code != 200 or "html" not in response.get("Content-Type", ""):
        return
    read = Forms(page)
    read.feed(response.content.decode(errors="replace"))
    writing = {one.name for one in routes() if one.writes}
    following.update(link for link in read.links if name_at(link) in writing)
    for to, fields in read.found:
        address = to if to.startswith("/") else page.partition("?")[0] + to
        if name := name_at(address):
            yield name, address, fields


@pytest.fixture
def world(story: Told, acts: dict[str, Act]) -> World:
    make_user("rick")
    mia = User.objects.get(username="marek")
    for name in ("reviewer", "responder", "administrator", "owner"):
        mia.groups.add(Group.objects.get_or_create(name=name)[0])
    return World(story, acts)


WHO = {
    "administrator": "adam",
    "reviewer": "rita",
    "owner": "ines",
    "responder": "dora",
    "auditor": "otto",
    "requester": "rick",
    "all roles": "marek",  # the backup of the identity, with every role but the auditor's
}


def forms_of(world: World) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """Every form that anybody is shown, once."""
    found: dict[str, dict[str, tuple[str, dict[str, str]]]] = {}
    for role in ("owner", "all roles", "administrator"):
        walker = Walker(world, User.objects.get(username=WHO[role]), None)
        for name, address, fields in readable(walker.client, world):
            plain = {
                key: str(world.values.get(key, one)) if one in ("", WORDS) else one
                for key, one in fields.items()
                if "csrf" not in key
            }
            found.setdefault(name, {}).setdefault(
                f"{address} {sorted(plain.items())}", (address, plain)
            )
    return {name: list(ones.values())[:24] for name, ones in found.items()}


def walk(world: World, walker: Walker, forms: dict[str, list[tuple[str, dict[str, str]]]]) -> None:
    described = bodies_of_the_api(world.values)
    plain = {key: one for key, one in world.values.items() if not isinstance(one, dict)}
    for route in routes():
        if not route.writes:
            continue
        address = world.address(route)
        of_api = route.path.startswith("api/") or not is_page(route)
        if of_api:
            key = "/" + re.sub(r"<[^>]*>", "{}", route.path)
            verb = "POST" if "POST" in route.verbs else "PATCH"
            for body in described.get(key, [world.values]):
                walker.repaired(route.name, address, verb, body)
            if route.path.startswith("device/"):
                walker.send(route.name, address, "POST", plain, form=True)
        else:
            for where, fields in forms.get(route.name, []):
                walker.send(route.name, where, "POST", fields, form=True)
            walker.send(route.name, address, "POST", plain, form=True)
        if route.name == "source_drop":
            walker.send(route.name, address, "POST", FILE, form=False, kind=MULTIPART_CONTENT)
        for verb in set(route.verbs) & {"PUT", "PATCH", "DELETE"}:
            walker.send(route.name, address, verb, world.values, form=False)


def is_page(route: Route) -> bool:
    outside = ("api/", "signals/streams", "signals/status", "signals/subjects", "signals/verify")
    return not route.path.startswith(
        (*outside, "v1/", "access/", "device/authorization", "device/token")
    )


def test_every_address_that_writes_is_classified_once() -> None:
    writing = {one.name for one in routes() if one.writes}
    assert len(writing) > 300
    assert {name: len(line_of(name)) for name in writing if len(line_of(name)) != 1} == {}
    named = {act for line in LINES for act in line.acts.split()}
    assert named - {act_of(name) for name in writing} == set()


def test_what_is_compared_is_there(db: None) -> None:
    assert state.unknown() == []


def unexpected(answers: list[Answer]) -> set[tuple[str, str]]:
    """What changed by one request and is in none of the three tables, and what failed."""
    wrong = {
        (one.route, kind)
        for one in answers
        for kind in one.changed
        if act_of(one.route) not in alone(kind)
    }
    return wrong | {(one.route, one.said or "500") for one in answers if one.status >= 500}


@pytest.mark.parametrize("role", WHO)
def test_nobody_changes_alone_what_is_in_force(world: World, role: str) -> None:
    user = User.objects.get(username=WHO[role])
    forms = forms_of(world)
    assert proposed_by(person_of(user)) >= 7
    walker = Walker(world, user, None)
    walk(world, walker, forms)
    report(role, walker.answers)
    assert len(walker.answers) > 700
    assert unexpected(walker.answers) == set()
    if role in ("auditor", "requester"):
        assert {one.route for one in walker.answers if one.changed} == set()


@pytest.mark.parametrize("scope", TOKENS)
def test_no_token_changes_more_than_its_person(world: World, scope: str) -> None:
    """Of somebody who has every role: nothing that is in force changes but by what was decided
    before, and nothing that somebody else proposed is signed."""
    user = User.objects.get(username=WHO["all roles"])
    proposed_by(person_of(User.objects.get(username="vera")))
    walker = Walker(world, None, token(user, scope))
    walk(world, walker, {})
    report(f"token {scope}", walker.answers)
    assert unexpected(walker.answers) == set()
    changed = {act_of(one.route) for one in walker.answers if one.changed}
    assert changed <= ({"revocation_retry"} if scope == "act" else set())
    signs = [one for one in walker.answers if re.fullmatch(r"api_(\w+_)?sign(_link)?", one.route)]
    assert {one.status for one in signs} == {403}


@pytest.mark.parametrize("kind", ["source", "metrics", "nobody"])
def test_no_other_token_opens_a_door_of_people(world: World, kind: str, settings: Any) -> None:
    """What a source or the scraper has is a key to its own door alone."""
    secret, digest = doors.new_token()
    Source.objects.filter(name="cloudtrail").update(token_digest=digest)
    settings.METRICS_TOKEN = "m" * 40
    words = {"source": secret, "metrics": settings.METRICS_TOKEN, "nobody": "x"}[kind]
    walker = Walker(world, None, {"Authorization": f"Bearer {words}"})
    walk(world, walker, {})
    report(f"token of {kind}", walker.answers)
    own = {"evidence", "otlp_traces"} if kind == "source" else set()
    assert {act_of(one.route) for one in walker.answers if one.changed} <= own
    assert {what for one in walker.answers for what in one.changed} <= {"evidence"}
    assert [one for one in walker.answers if one.status >= 500] == []


def test_the_walk_sees_what_a_second_person_signs(world: World) -> None:
    """The same requests, of what somebody else proposed: they come into force."""
    user = User.objects.get(username=WHO["all roles"])
    proposed_by(person_of(User.objects.get(username="vera")))
    walker = Walker(world, user, None)
    for name in ("mode_sign", "freeze_sign", "policy_sign", "outgoing_sign"):
        route = next(one for one in routes() if one.name == name)
        walker.send(name, world.address(route), "POST", {}, form=True)
    kinds = {one.route: one.changed for one in walker.answers}
    assert {name for name, changed in kinds.items() if not changed} == set()


def report(who: str, answers: list[Answer]) -> None:
    """The table of refusals of one walk, as var/insider/<who>.md; nothing reads it again."""
    folder = settings.BASE_DIR / "var" / "insider"
    folder.mkdir(parents=True, exist_ok=True)
    head = "| address | effect | stands against it | answer | reason | changed |"
    lines = [head, "| --- | --- | --- | --- | --- | --- |"]
    rows = dict.fromkeys((one.route, one.status, one.said, one.changed) for one in answers)
    for route, status, said, changed in rows:
        line = line_of(route)[0]
        reason = said.replace("|", "/").replace("\n", " ")
        lines.append(
            f"| {route} | {line.effect} | {line.against} | {status} | {reason} |"
            f" {', '.join(sorted(changed))} |"
        )
    (folder / f"{who.replace(' ', '-')}.md").write_text("\n".join(lines) + "\n")
