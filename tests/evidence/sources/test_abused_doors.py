"""Bodies made to hurt, at every door: each is refused with a sentence, in bounded memory."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from evidence import actions
from evidence.formats.bodies import MEBI
from evidence.models import Event, Gap, Reject, Source
from evidence.permissions import COMMAND
from tests.evidence.bodies import record, trail
from tests.evidence.readers import parts, person, signed_in
from tests.evidence.sources import pulling
from tests.evidence.sources.buckets import Filled, pull
from tests.evidence.test_hooks import deliver

__all__ = ["person", "signed_in"]

pytestmark = pytest.mark.django_db
# All of the bomb would be 200 MB.
MOST = 96 * MEBI
DEEP = 100_000
# Written where a test asks for one: whoever only looks through the tests needs none.
BODIES: dict[str, Callable[[], bytes]] = {
    "bomb": lambda: gzip.compress(b"\0" * 200_000_000, 9),
    "deep list": lambda: b'{"Records":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep object": lambda: b'{"Records":[' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"]}",
    "utf-16": lambda: trail(record(1)).decode().encode("utf-16"),
    "latin-1": lambda: trail(record(1)).replace(b"svc-report", b"svc-r\xe9port"),
}
# What a door says that has to recognise the format; of Latin-1 the rest can be read.
DEEPER = "no format recognises this: it is JSON that is nested more than 1,024 deep"
UNKNOWN = {
    "bomb": "no format recognises this: it is made of zero bytes",
    "deep list": DEEPER,
    "deep object": DEEPER,
    "utf-16": "no format recognises this: it is written in UTF-16",
    "latin-1": "broken JSON: str is not valid UTF-8",
}
TOO_MUCH = "unpacks to more than 64 MiB; send it in parts"
NO_JSON = "The payload is no JSON object."
NO_LIST = "The body is no EventList of audit.k8s.io."


@cache
def made(kind: str) -> bytes:
    return BODIES[kind]()


class World(NamedTuple):
    """One source, its token, somebody signed in, a folder, a bucket."""

    source: Source
    token: str
    client: Client
    folder: Path
    filled: Filled

    def post(self, path: str, body: bytes, kind: str = "application/json") -> str:
        """A push with the source's token: what is answered."""
        headers = {"Authorization": f"Bearer {self.token}"}
        response = Client().post(path, body, content_type=kind, headers=headers)
        return str(response.content.decode("utf-8", "replace"))


@pytest.fixture
def world(
    source: Callable[..., Source],
    signed_in: Callable[..., Client],
    tmp_path: Path,
    filled: Filled,
) -> World:
    row, token = actions.new_token(source=source("hooks"), by=COMMAND, now=timezone.now())
    return World(row, token, signed_in("ines", "reviewer"), tmp_path, filled)


def page(world: World, body: bytes) -> str:
    file = SimpleUploadedFile("x", body)
    said = {"Accept": "application/json"}
    response: Any = world.client.post("/sources/hooks/drop/", {"file": file}, headers=said)
    if not response.streaming:
        return str(response.json()["problem"])
    last = json.loads(parts(response).splitlines()[-1])
    return Reject.objects.get(deposit=last["deposit"]).reason


def ingest(world: World, body: bytes) -> str:
    (world.folder / "x").write_bytes(body)
    out = StringIO()
    try:
        call_command(
            "ingest", str(world.folder / "x"), "--source", "hooks", "--json", "--no-wait",
            stdout=out,
        )  # fmt: skip
    except SystemExit:
        # Of nothing but what is refused, it is no success.
        return out.getvalue()
    return out.getvalue()


def push(world: World, body: bytes) -> str:
    return world.post("/api/evidence/hooks/", body)


def kubernetes(world: World, body: bytes) -> str:
    return world.post("/api/evidence/hooks/kubernetes/prod", body)


def otlp_json(world: World, body: bytes) -> str:
    return world.post("/v1/traces", body)


def otlp_protobuf(world: World, body: bytes) -> str:
    return world.post("/v1/traces", body, "application/x-protobuf")


def github(world: World, body: bytes) -> str:
    return str(deliver(Client(), world.source, body).content.decode())


def s3(world: World, body: bytes) -> str:
    """A pull goes on behind what it cannot read; what was not read is said as a gap."""
    world.filled.put("k/1.json", body)
    pulling.connect(world.source, "s3", world.filled.settings(prefix="k/"))
    row = pull(world.source)
    assert row.state == "done"
    told = [gap.reason for gap in Gap.objects.all()]
    told += world.source.deposits.values_list("reject_rows__reason", flat=True)
    return "; ".join(told)


SPANS = {
    "bomb": TOO_MUCH,
    "deep list": "depth limit exceeded",
    "deep object": "depth limit exceeded",
    "utf-16": "this is written in UTF-16: write it as UTF-8",
    "latin-1": "has no list of resourceSpans",
}
DOORS: list[tuple[Callable[[World, bytes], str], dict[str, str]]] = [
    (page, UNKNOWN),
    (ingest, UNKNOWN),
    (push, UNKNOWN),
    (s3, UNKNOWN),
    (otlp_json, SPANS),
    (otlp_protobuf, SPANS),
    (github, dict.fromkeys(BODIES, NO_JSON) | {"bomb": TOO_MUCH}),
    (kubernetes, dict.fromkeys(BODIES, NO_LIST) | {"bomb": TOO_MUCH}),
]


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize(("door", "says"), DOORS, ids=[door.__name__ for door, _ in DOORS])
def test_body_made_to_hurt_is_refused_with_a_sentence_in_bounded_memory(
    world: World, door: Callable[[World, bytes], str], says: dict[str, str], kind: str
) -> None:
    body = made(kind)
    tracemalloc.start()
    try:
        said = door(world, body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (says[kind] in said, Event.objects.count()) == (True, 0), said
    assert peak < MOST
