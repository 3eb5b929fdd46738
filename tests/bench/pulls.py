"""Pulls: records a second from a real S3 server and from a paged HTTP source, and their memory.

Owns the comparison: `manage.py pull NAME now` in a process of its own, beside the same bodies
through the intake without a network. The account is moto's server, as in the tests; the Okta org
answers from a table.
"""

import gzip
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from django.utils import timezone

from evidence import connecting, intake
from evidence.models import Pull
from evidence.permissions import COMMAND
from evidence.sources import connector_secrets
from tests.awslab import server as account
from tests.awslab.lab import Lab
from tests.bench import formats, synthetic, watched
from tests.bench.intake import source
from tests.bench.told import Said
from tests.evidence.sources.server import Answer, Request, serving

RECORDS, AN_OBJECT, A_PAGE = 100_000, 1_000, 1_000
SECRET = "BENCH_SECRET"
RIGHTS = ["s3:ListBucket", "s3:GetObject", "sqs:ReceiveMessage", "sqs:DeleteMessage",
          "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]  # fmt: skip


def measure() -> Iterator[Said]:
    yield from _buckets()
    yield from _paged()


def _buckets() -> Iterator[Said]:
    start = datetime.now(UTC) - timedelta(hours=3)
    bodies = list(synthetic.cloudtrail(records=RECORDS, body=AN_OBJECT, start=start, seed=11))
    with account.running() as demo:
        lab = Lab(demo)
        s3, sqs = lab.admin.client("s3"), lab.admin.client("sqs")
        s3.create_bucket(Bucket="bench-trail")
        queue = sqs.create_queue(QueueName="bench-told")["QueueUrl"]
        reader = lab.user({"Action": RIGHTS, "Resource": "*"}).credentials
        for number, body in enumerate(bodies):
            key = f"{number:06}.json.gz"
            s3.put_object(Bucket="bench-trail", Key=key, Body=gzip.compress(body, 1))
            sqs.send_message(QueueUrl=queue, MessageBody=_message(key))
        said = {
            "bucket": "bench-trail",
            "endpoint": demo.endpoint,
            "access_key_id": reader.access_key_id,
            "secret_access_key": SECRET,
        }
        alone = _without_network(bodies, "pulls-alone", "cloudtrail")
        secret = {SECRET: reader.secret_access_key}
        for connector, settings in (("s3", said), ("s3_queue", {**said, "queue_url": queue})):
            yield from _pulled(connector, settings, alone, secret)


def _message(key: str) -> str:
    """What S3 says to a queue of a new object."""
    named = {"bucket": {"name": "bench-trail"}, "object": {"key": key, "size": 1}}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": named}
    return json.dumps({"Records": [record]})


def _paged() -> Iterator[Said]:
    lines = b"\n".join(formats.bodies("okta")).split(b"\n")[:RECORDS]
    pages = [
        b"[%b]" % b",".join(lines[first : first + A_PAGE]) for first in range(0, len(lines), A_PAGE)
    ]
    alone = _without_network(pages, "pages-alone", "okta")
    with serving() as there:

        def page(asked: Request) -> Answer:
            number = int(asked.query.get("after", "0"))
            body = pages[number] if number < len(pages) else b"[]"
            following = f'<{there.url}/api/v1/logs?after={number + 1}>; rel="next"'
            return Answer(body=body, headers={"Link": following})

        there.on("GET", "/api/v1/logs", page)
        said = {"url": there.url, "token": SECRET}
        yield from _pulled("okta", said, alone, {SECRET: "bench"})


def _without_network(bodies: Sequence[bytes], name: str, shape: str) -> float:
    """Records a second of the intake, one body after the other, each committed, as a pull does."""
    into = source(name, "identity")
    started = time.perf_counter()
    done = sum(
        intake.take(source=into, body=body, by="bench", now=timezone.now(), format=shape).records
        for body in bodies
    )
    return done / (time.perf_counter() - started)


def _pulled(
    connector: str,
    settings: Mapping[str, str],
    alone: float,
    secret: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Said]:
    for file, text in secret.items():
        connector_secrets.forget(file)
        connector_secrets.keep(file, text, [one for one in settings.values() if "://" in one])
    name = f"pulled-{connector.replace('_', '-')}"
    connecting.connect(
        source=source(name, "identity"),
        connector=connector,
        settings=settings,
        by=COMMAND,
        now=timezone.now(),
        # The organisation's samples lie some weeks back.
        first_days=60,
    )
    ran = watched.manage(*("pull", "now", name), environment={"COUNTERSIGN_ALLOW_PRIVATE": "1"})
    row = Pull.objects.get(source__name=name)
    assert (row.state, row.records, row.rejects) == (Pull.DONE, RECORDS, 0), row.problem
    assert row.started_at is not None
    assert row.ended_at is not None
    rate = row.records / (row.ended_at - row.started_at).total_seconds()
    yield Said(
        f"pull, {connector}, {row.records:,} records in {row.pages:,} pages",
        f"{rate:,.0f}/s, alone {alone:,.0f}/s",
        f"{rate / alone:.2f} x the intake alone",
    )
    yield Said(
        "  the puller's memory and CPU",
        f"{ran.peak / 1e6:.0f} MB at most, {ran.cpu:.1f} s",
    )
