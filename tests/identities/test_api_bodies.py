"""What stands in the body of a request: refused with a sentence, at every address of the API."""

import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.exceptions import ParseError

from identities.api.parsing import DEEPEST, JSONParser
from identities.models import User
from identities.models.people import GROUPS
from tests.signed_in import sure

REFUSED = {
    b'{"a": 1, "a": 2}': "'a' is written twice in one object.",
    b"[" * 200_000 + b"]" * 200_000: f"This is nested deeper than {DEEPEST} levels.",
    b"[" * 65 + b"1" + b"]" * 65: f"This is nested deeper than {DEEPEST} levels.",
    b'{"a": "x\\u0000"}': "'x\\x00' holds a character that cannot be stored (NUL).",
    b'{"\\u0000": 1}': "'\\x00' holds a character that cannot be stored (NUL).",
    b'["\\ud800"]': "'\\ud800' holds half a character (a lone surrogate).",
    b'{"a": 9223372036854775808}': "A number is larger than can be stored.",
    b'{"a": 1e999}': "A number is larger than can be stored.",
    b'{"a": NaN}': "NaN is no number of JSON.",
    b"1" * 5_000: "This is not JSON that is read: a number is too long.",
    b'{"a": ': "This is not JSON: Expecting value, line 1, column 7.",
    b"": "This is not JSON: Expecting value, line 1, column 1.",
    b'"\xff"': "This is not utf-8: byte 2 cannot be read.",
}


def parsed(body: bytes) -> Any:
    return JSONParser().parse(io.BytesIO(body), "application/json", {"encoding": "utf-8"})


@pytest.mark.parametrize(("body", "said"), REFUSED.items(), ids=[repr(one[:12]) for one in REFUSED])
def test_refused_with_its_reason(body: bytes, said: str) -> None:
    with pytest.raises(ParseError) as refused:
        parsed(body)
    assert str(refused.value.detail) == said


def test_everything_else_is_as_it_was_written() -> None:
    value = {"a": [1, -(2**63) + 1, 1.5, None, True, "ä🔑\n"], "b": {"": {}}}
    assert parsed(json.dumps(value).encode()) == value
    assert parsed(b"[" * 64 + b"]" * 64) is not None


def addresses(
    patterns: list[URLPattern | URLResolver], before: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, before + str(one.pattern))
        else:
            yield before + str(one.pattern), one


def written() -> list[str]:
    """Every address of the API, each converter filled."""
    fill = {"uuid": str(uuid4()), "int": "1"}
    found = []
    for route, _ in addresses(get_resolver().url_patterns):
        if not route.startswith(("api/", "access/")) or "^" in route:
            continue
        words = route.split("<")
        path = words[0]
        for word in words[1:]:
            converter, _, rest = word.partition(">")
            path += fill.get(converter.partition(":")[0], "x") + rest
        found.append(f"/{path}")
    return found


BODIES: dict[str, bytes] = {
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "text": b'"x"',
    "number": b"9223372036854775807",
    "null": b"null",
    "list": b"[[]]",
    "object": b"{}",
    "nothing": b"",
    "binary": bytes(range(256)),
    "nul": b'{"name": "\\u0000"}',
}


@pytest.mark.django_db
def test_no_address_breaks_at_any_of_them() -> None:
    user = User.objects.create_user("root", email="root@example.com", password=None)
    user.groups.set(Group.objects.filter(name__in=GROUPS))
    browser = Client()
    browser.force_login(user)
    sure(browser)
    paths = written()
    assert len(paths) > 40
    for path in paths:
        for name, body in BODIES.items():
            answer = browser.post(path, data=body, content_type="application/json")
            assert answer.status_code < 500, (path, name, answer.content[:200])
