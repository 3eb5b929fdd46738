"""Numbers, moments and lengths that can be stored and that no view can use: said, never a failure.

The bodies are made from the API's own description, so that a new address is asked too.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from identities.models import User
from identities.models.people import GROUPS
from tests.signed_in import sure

from .conftest import Told, make_user, party
from .queues import fill

pytestmark = pytest.mark.django_db
FAR = {
    "integer": (2**63 - 1, -(2**63) + 1, 10**10, -1, 0),
    "number": (1e308, -1e308, 10.0**18, -0.5, 0.0),
    "string": ("9999y", "-9999y", "P9999Y", "²", "9" * 300),
    "date-time": (
        "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2027-01-31",
        "1969-12-31T23:59:59Z",
    ),
    "date": ("9999-12-31", "0001-01-01", "10000-01-01", "2027-02-30", "1969-12-31"),
}
TIMES = len(FAR["string"])


def made(schema: dict[str, Any], parts: dict[str, Any], at: int, depth: int = 0) -> Any:
    """A value of this description, whatever in it counts or measures being the far one of `at`."""
    if "$ref" in schema:
        return made(parts[schema["$ref"].rpartition("/")[2]], parts, at, depth)
    for word in ("allOf", "oneOf", "anyOf"):
        if word in schema:
            return made(schema[word][0], parts, at, depth)
    if "enum" in schema:
        return schema["enum"][at % len(schema["enum"])]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" and depth < 5:
        known = schema.get("properties", {})
        return {name: made(one, parts, at, depth + 1) for name, one in known.items()}
    if kind == "array" and depth < 5:
        return [made(schema.get("items", {}), parts, at, depth + 1)]
    if kind == "boolean":
        return True
    return FAR.get(schema.get("format", ""), FAR.get(kind, ({},) * TIMES))[at]


def asked(story: Told, client: Client) -> Iterator[tuple[str, str, Any]]:
    """Every address that takes a body, with its places filled by things that are there."""
    (case,) = fill(1, owners=[party(story.ines)], now=timezone.now())
    item = case.items.get(position=0)
    there = {
        "key": {"cases": case.key, "identities": story.identity.key, "items": str(item.pk)},
    }
    found = client.get("/api/schema/", headers={"accept": "application/json"}).json()
    parts = found["components"]["schemas"]
    for path, ways in found["paths"].items():
        words = path.strip("/").split("/")
        filled = [
            there["key"].get(words[place - 1], "1") if word.startswith("{") else word
            for place, word in enumerate(words)
        ]
        for way, one in ways.items():
            shapes = one.get("requestBody", {}).get("content", {}).get("application/json")
            if shapes is not None:
                for at in range(TIMES):
                    here = f"/{'/'.join(filled)}" + ("/" if path.endswith("/") else "")
                    yield way, here, made(shapes["schema"], parts, at)


def test_no_address_fails_at_what_is_too_far(story: Told, client: Client) -> None:
    user = User.objects.create_user("root", email="root@example.com", password=None)
    user.groups.set(Group.objects.filter(name__in=GROUPS))
    client.force_login(user)
    sure(client)
    client.raise_request_exception = False
    wrong, sent = [], 0
    for way, here, body in asked(story, client):
        answer = getattr(client, way)(here, data=body, content_type="application/json")
        sent += 1
        if answer.status_code >= 500:
            wrong.append((way, here, body, answer.status_code))
    assert sent > 100
    assert wrong == []


LENGTHS = (
    "9999y",
    "-9999y",
    "P99999M",
    "99999w",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:00-14:00",
)
PLACES = {
    "delegations[0].ends": """
identities: [{name: svc-far, kind: agent}]
delegations: [{grantee: svc-far, actions: ["s3:GetObject"], resources: ["*"], ends: WHEN}]
""",
    "identities[0].expires": "identities: [{name: svc-far, kind: agent, expires: WHEN}]",
    "people[0].left": "people: [{name: Far, email: far@example.org, left: WHEN}]",
}


@pytest.mark.parametrize("written", LENGTHS)
@pytest.mark.parametrize("place", PLACES)
def test_a_register_says_what_is_too_far(
    story: Told, client: Client, written: str, place: str
) -> None:
    administrator = make_user("root", "administrator")
    client.force_login(administrator)
    sure(client)
    found = client.post(
        "/api/identities/register/",
        {"name": "far.yaml", "text": PLACES[place].replace("WHEN", written)},
        content_type="application/json",
    )
    said = found.json()
    assert (found.status_code, [one["path"] for one in said["problems"]]) == (422, [place]), said
