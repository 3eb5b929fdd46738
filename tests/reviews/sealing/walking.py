"""Every address of the project as somebody reads it, so that two worlds can be compared."""

import re
from collections.abc import Iterator
from typing import Any

from django.test import Client
from django.urls import URLResolver, get_resolver

from evidence.models import Anchor, Deposit
from identities.models import Batch, Credential, Finding, Identity, Person, Revocation, User
from reviews.models import Case
from tests.signed_in import sure

NOBODYS = "00000000-0000-4000-8000-000000000000"
# What differs from page to page and says nothing: of the form and of the answer's own id.
NOISE = (
    (re.compile(r'data-now="[^"]+"'), "NOW"),
    (re.compile(r'(csrf[\w-]*"[^>]*?value="|nonce[-=]["\']?)[\w/+=-]+'), r"\1*"),
    (re.compile(r'("csrfToken": ?|name="request_key" value=)"[^"]+"'), r"\1*"),
)
# Rows that are commitments are counted as rows, and that is all that is said of them.
COUNTED = ("ledger/", "admin/")
# Not pages of ours that know a case, or such that change with each request.
OUTSIDE = ("accounts/", "styleguide/", "metrics", "api/schema/", "api/docs/")
# Views of an address in which something else is read.
VIEWS = (
    "cases/?state=open",
    "cases/?door=incident",
    "cases/?q=Quokka",
    "cases.json?door=incident",
    "queue/?show=items",
    "queue.json?show=items",
    "queue.csv?show=items",
    "search/?q=Quokka",
    "identities/?q=svc",
    "ledger/?q=Rex",
    "ledger/?q=NHI-1",
    "findings/?state=open",
)


def routes(resolver: Any, before: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if route.startswith(OUTSIDE):
            continue
        if isinstance(one, URLResolver):
            yield from routes(one, route)
        else:
            yield route


def of_case(route: str) -> bool:
    """Whether the key in an address is a case's."""
    return re.match(r"(api/)?(cases|break-glass)/(sealed/uses/)?<str:key>", route) is not None


def address(route: str, key: str) -> str:
    """An address with the rows of the story in it; `key` where it names a case."""
    first: dict[str, Any] = {
        "identities": Identity.objects.order_by("number").first(),
        "credentials": Credential.objects.order_by("number").first(),
        "findings": Finding.objects.order_by("number").first(),
        "revocations": Revocation.objects.order_by("number").first(),
        "batches": Batch.objects.order_by("number").first(),
    }
    person, deposit = Person.objects.order_by("name").first(), Deposit.objects.first()
    anchor = Anchor.objects.first()
    numbers = {"deposits": deposit and deposit.pk, "ledger": anchor and anchor.pk}
    plain = {"slug": "quarterly", "name": "cloudtrail", "what": "findings", "app_label": "evidence"}

    def value(part: re.Match[str]) -> str:
        kind, name = part[1] or "", part[2]
        place = route.removeprefix("api/").partition("/")[0]
        if kind == "uuid:":
            return str(person.pk) if person is not None and place == "people" else NOBODYS
        if kind == "int:":
            return str(numbers.get(place) or 1)
        if name == "key":
            row = first.get(place)
            return key if of_case(route) else getattr(row, "key", "0")
        if kind == "path:":
            return "svc-report"
        return plain.get(name, "0")

    said = re.sub(r"<(\w+:)?(\w+)>", value, route)
    return "/" + re.sub(r"\(\?P<\w+>[^)]*\)|[\^$]", "", said)


def text_of(response: Any) -> str:
    body = b"".join(response) if response.streaming else response.content
    text: str = body.decode(errors="replace")
    for pattern, instead in NOISE:
        text = pattern.sub(instead, text)
    return text


def read(user: User, addresses: dict[str, str], *, post: bool = False) -> dict[str, str]:
    """What this user is answered at each of these addresses, by route."""
    client = Client(raise_request_exception=False)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    found = {}
    for route, where in addresses.items():
        response = client.post(where) if post else client.get(where)
        found[route] = f"{response.status_code} {text_of(response)}"
    return found


def every(key: str) -> dict[str, str]:
    """Every address that is read, by route."""
    found = {route: address(route, key) for route in routes(get_resolver())}
    return found | {route: f"/{route}" for route in VIEWS}


def difference(one: str, other: str) -> str:
    """Where two answers part."""
    at = next((n for n, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))  # noqa: B905 - the shorter ends it
    return f"{one[max(0, at - 80) : at + 120]!r} is not {other[at : at + 120]!r}"


def case_named(case: Case) -> re.Pattern[str]:
    """What would name a case: its key, its number in an address, its id."""
    return re.compile(rf"CS-0*{case.number}(?!\d)|{case.pk}|{case.pk.hex}")
