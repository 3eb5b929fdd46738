"""S3 notifications through a real queue: deleted after storing, poison left, crashes, shapes."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import Connection, Deposit, Gap, Source
from evidence.sources import s3_queue
from evidence.sources.failures import Later, Stopped
from evidence.sources.s3_queue import CONNECTOR, Named, Poison, named
from tests.awslab.lab import Person
from tests.evidence.sources import pulling
from tests.evidence.sources.buckets import SECRET, Filled, log_of, now, numbers, pull

pytestmark = [pytest.mark.django_db, pytest.mark.real_clock]

type Make = Callable[..., Source]

RIGHTS = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
          "sqs:GetQueueAttributes"]  # fmt: skip


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_queue, "HELD", 1)
    monkeypatch.setattr(s3_queue, "WAIT", 0)


class Told:
    """A bucket whose new objects a queue tells about, with a queue behind it for poison."""

    def __init__(self, filled: Filled) -> None:
        self.bucket = filled
        self.sqs = filled.lab.admin.client("sqs")
        name = filled.lab.name("told")
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self.arn(self.dead), "maxReceiveCount": "2"}
        self.url = self.sqs.create_queue(
            QueueName=name, Attributes={"RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]
        self.reader = filled.person({"Action": RIGHTS, "Resource": "*"})

    def arn(self, url: str) -> str:
        found: str = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"]
        return found

    def notify(self) -> None:
        """From now on S3 itself tells the queue, which it says with a test message."""
        self.bucket.s3.put_bucket_notification_configuration(
            Bucket=self.bucket.name,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {"QueueArn": self.arn(self.url), "Events": ["s3:ObjectCreated:*"]}
                ]
            },
        )

    def say(self, message: Any) -> None:
        body = message if isinstance(message, str) else json.dumps(message)
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def waiting(self, url: str = "") -> int:
        """Messages of a queue, those that are held by somebody too."""
        kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=kinds)
        return sum(int(one) for one in found["Attributes"].values())

    def settings(self, person: Person | None = None, **said: str) -> dict[str, str]:
        return self.bucket.settings(person or self.reader, queue_url=self.url) | said


@pytest.fixture
def told(filled: Filled) -> Told:
    return Told(filled)


def event(bucket: str, key: str, name: str = "ObjectCreated:Put", **said: Any) -> dict[str, Any]:
    """S3's own message, version 2.1."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-11-24T12:00:00.000Z",
                "eventName": name,
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": {"key": key, "size": 5, "sequencer": "0055AED6DCD90281E5"} | said,
                },
            }
        ]
    }


def bridged(bucket: str, key: str, kind: str = "Object Created", **said: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "time": "2026-11-24T12:00:00Z",
        "detail": {"version": "0", "bucket": {"name": bucket}, "object": {"key": key} | said},
    }


def wrapped(message: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:told",
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(message),
        "Timestamp": "2026-11-24T12:00:00.000Z",
    }


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (event("b", "a%2Fb+c%C3%BC.gz", eTag="ab12"), [Named("b", "a/b cü.gz", '"ab12"', 5)]),
        (event("b", "k", "ObjectRemoved:Delete"), []),
        (event("b", "k", eTag='x"\r\nHost: y'), [Named("b", "k", "", 5)]),
        (wrapped(event("b", "k")), [Named("b", "k", "", 5)]),
        (bridged("b", "a+b%20c", etag="ab-2", size=7), [Named("b", "a+b%20c", '"ab-2"', 7)]),
        (bridged("b", "k", "Object Deleted"), []),
        (wrapped(bridged("b", "k")), [Named("b", "k", "", 1)]),
        (
            wrapped({"s3Bucket": "b", "s3ObjectKey": ["k/1", "k/2"]}),
            [Named("b", "k/1", "", 1), Named("b", "k/2", "", 1)],
        ),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}, []),
        (wrapped({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}), []),
    ],
)
def test_message_names_its_objects(message: Any, found: list[Named]) -> None:
    assert named(json.dumps(message)) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "no json", "[]", "7", "null", "{}", "[" * 100_000, '{"Records": [7]}', '{"Records": [{}]}',
        '{"Type": "Notification", "Message": 7}',
        '{"Type": "Notification", "Message": "text"}',
        json.dumps({"source": "aws.s3", "detail": 7}),
        json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": {}}),
        json.dumps({"s3Bucket": 7, "s3ObjectKey": []}),
        json.dumps({"s3Bucket": "b", "s3ObjectKey": 7}),
        json.dumps({"s3Bucket": "b", "s3ObjectKey": ["\ud800"]}),
        json.dumps({"s3Bucket": "b", "s3ObjectKey": [""]}),
        json.dumps(event("b", "%ff")),
        json.dumps(event("b", "k" * 1025)),
        json.dumps(event("b", "k", size=None)),
        json.dumps(event("b", "k", size=float("inf"))),
        json.dumps(event("b", "k")).replace("aws:s3", "aws:other"),
        "1" * 5000,
    ],
)  # fmt: skip
def test_anything_else_is_poison_with_a_reason(text: str) -> None:
    with pytest.raises(Poison) as caught:
        named(text)
    assert str(caught.value)


def test_what_s3_tells_is_read_and_its_message_deleted(told: Told, source: Make) -> None:
    told.notify()
    told.bucket.put("a b/ü+1.json.gz", log_of(1))
    told.bucket.put("two.json.gz", log_of(2, 3))
    assert told.waiting() == 3
    made = source()
    pulling.connect(made, "s3_queue", told.settings())
    row = pull(made)
    assert (row.state, row.problem, numbers()) == ("done", "", [1, 2, 3])
    assert (told.waiting(), told.waiting(told.dead)) == (0, 0)
    made.refresh_from_db()
    assert (made.watermark, made.completeness) == (None, "")
    assert abs(Connection.objects.get(source=made).skew_seconds or 99) < 5
    assert pull(made).records == 0


def test_what_a_topic_passes_on_is_read(told: Told, source: Make) -> None:
    sns = told.bucket.lab.admin.client("sns")
    topic = sns.create_topic(Name=told.bucket.lab.name("topic"))["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=told.arn(told.url))
    told.bucket.put("one.json.gz", log_of(1))
    told.bucket.put("two.json.gz", log_of(2))
    sns.publish(TopicArn=topic, Message=json.dumps(event(told.bucket.name, "one.json.gz")))
    told.say(bridged(told.bucket.name, "two.json.gz"))
    made = source()
    pulling.connect(made, "s3_queue", told.settings())
    pull(made)
    assert (numbers(), told.waiting()) == ([1, 2], 0)


def test_message_goes_only_after_its_last_object_is_stored(told: Told, source: Make) -> None:
    both = event(told.bucket.name, "one.json.gz")
    both["Records"] += event(told.bucket.name, "two.json.gz")["Records"]
    told.bucket.put("one.json.gz", log_of(1))
    told.bucket.put("two.json.gz", log_of(2))
    told.say(both)
    made = source()
    pulling.connect(made, "s3_queue", told.settings())
    one = pulling.asked(CONNECTOR, told.settings(), now=now())
    with one.http:
        pages = CONNECTOR.pages(one)
        next(pages)
        assert told.waiting() == 1
        next(pages)
        assert told.waiting() == 1  # handed out, but nobody has said that it is stored
        assert list(pages) == []
    assert told.waiting() == 0


def test_left_in_the_middle_it_goes_on_with_the_same_message_and_reads_nothing_twice(
    told: Told, source: Make
) -> None:
    both = event(told.bucket.name, "one.json.gz")
    both["Records"] += event(told.bucket.name, "two.json.gz")["Records"]
    told.bucket.put("one.json.gz", log_of(1))
    told.bucket.put("two.json.gz", log_of(2))
    told.say(both)
    made = source()
    pulling.connect(made, "s3_queue", told.settings())
    assert (pull(made, enough=lambda: True).state, numbers()) == ("waiting", [1])
    assert told.waiting() == 1
    row = pull(made)
    assert (row.state, numbers(), told.waiting()) == ("done", [1, 2], 0)
    assert (told.bucket.calls("s3:GetObject"), row.duplicates) == (2, 0)


def test_killed_before_the_message_was_deleted_it_is_deleted_when_it_comes_again(
    told: Told, source: Make
) -> None:
    told.bucket.put("one.json.gz", log_of(1))
    told.say(event(told.bucket.name, "one.json.gz"))
    made = source()
    pulling.connect(made, "s3_queue", told.settings())
    # Stopped after its only page: stored, and not deleted, as when the process dies there.
    pull(made, enough=lambda: True)
    assert (numbers(), told.waiting()) == ([1], 1)
    row = pull(made)
    assert (row.state, row.records, told.waiting()) == ("done", 1, 0)
    assert (told.bucket.calls("s3:GetObject"), Deposit.objects.count()) == (1, 1)


def test_same_object_told_twice_is_stored_once(told: Told, source: Make) -> None:
    told.bucket.put("one.json.gz", log_of(1))
    for _ in range(2):
        told.say(event(told.bucket.name, "one.json.gz"))
    made = source()
    pulling.connect(made, "s3_queue", told.settings())
    row = pull(made)
    assert (row.events, numbers(), told.waiting()) == (1, [1], 0)


def test_poison_is_told_once_left_to_the_redrive_policy_and_blocks_nothing(
    told: Told, source: Make
) -> None:
    told.bucket.put("one.json.gz", log_of(1))
    told.bucket.put("bad.json.gz", log_of(2)[:-9])
    told.say("nothing we know")
    told.say(event("somebody-elses", "secret.json.gz"))
    told.say(event(told.bucket.name, "gone.json.gz"))
    told.say(event(told.bucket.name, "bad.json.gz"))
    told.say(event(told.bucket.name, "one.json.gz"))
    made = source()
    pulling.connect(made, "s3_queue", told.settings())
    assert (pull(made).state, numbers()) == ("done", [1])
    reasons = sorted(Gap.objects.values_list("reason", flat=True))
    assert len(reasons) == 4
    words = " ".join(reasons)
    for said in ("it is not JSON", "somebody-elses, which is not this source's",
                 "gone.json.gz was left out: it was deleted", "bad.json.gz was left out"):  # fmt: skip
        assert said in words
    deadline = time.monotonic() + 15
    while told.waiting() and time.monotonic() < deadline:
        time.sleep(1.1)
        pull(made)
    assert (told.waiting(), told.waiting(told.dead)) == (0, 4)
    assert Gap.objects.count() == 4


def test_keys_that_are_not_this_sources_are_passed_over(told: Told, source: Make) -> None:
    kept = "logs/AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/24/a.json.gz"
    told.bucket.put(kept, log_of(1))
    for key in ("other/x.json.gz", kept.replace("CloudTrail", "CloudTrail-Digest"), kept):
        told.say(event(told.bucket.name, key))
    told.say(event(told.bucket.name, "logs/empty/", size=0))
    made = source()
    pulling.connect(made, "s3_queue", told.settings(prefix="logs/", layout="trail"))
    assert (pull(made).state, numbers(), told.waiting()) == ("done", [1], 0)
    assert Gap.objects.count() == 0


def test_message_is_kept_ours_while_its_object_is_read(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evidence.formats.bodies.WHOLE", 2000)
    records = [json.dumps({"n": number}) for number in range(25_000)]
    told.bucket.put("large.jsonl", "\n".join(records).encode())
    told.say(event(told.bucket.name, "large.jsonl"))
    one = pulling.asked(CONNECTOR, told.settings(format="cloudtrail"), now=now())
    with one.http:
        pages = CONNECTOR.pages(one)
        for _ in range(2):
            next(pages)
            time.sleep(0.7)
        assert next(pages).cursor["done"]
        assert list(pages) == []
    assert told.waiting() == 0
    assert len(told.bucket.lab.proxy.calls("sqs:ChangeMessageVisibility")) == 2


def test_handle_that_is_over_is_no_failure(told: Told) -> None:
    told.bucket.put("one.json.gz", log_of(1))
    told.say(event(told.bucket.name, "one.json.gz"))
    one = pulling.asked(CONNECTOR, told.settings(), now=now())
    with one.http:
        pages = CONNECTOR.pages(one)
        next(pages)
        time.sleep(1.1)
        again = told.sqs.receive_message(QueueUrl=told.url)["Messages"][0]
        told.sqs.delete_message(QueueUrl=told.url, ReceiptHandle=again["ReceiptHandle"])
        assert list(pages) == []


def test_throttling_waits(told: Told) -> None:
    told.bucket.lab.proxy.throttle("sqs:ReceiveMessage", times=9, retry_after=12)
    with pytest.raises(Later) as caught:
        pulling.pages(CONNECTOR, told.settings(), now=now())
    assert caught.value.seconds == 12
    assert len(told.bucket.lab.proxy.calls("sqs:ReceiveMessage")) == 1


def test_checks_say_which_right_is_missing(told: Told) -> None:
    told.bucket.put("one.json.gz", log_of(1))
    good = pulling.checks(CONNECTOR, told.settings(), now=now())
    assert [(one.name, one.ok) for one in good] == [
        ("credentials", True), ("sqs:ReceiveMessage", True), ("sqs:GetQueueAttributes", True),
        ("redrive policy", True), ("s3:ListBucket", True), ("s3:GetObject", True),
    ]  # fmt: skip
    none = pulling.checks(CONNECTOR, told.settings(told.bucket.reader), now=now())
    assert [(one.name, one.fix.partition(" on ")[0]) for one in none if not one.ok] == [
        ("sqs:ReceiveMessage", "Allow sqs:ReceiveMessage"),
        ("sqs:GetQueueAttributes", "Allow sqs:GetQueueAttributes"),
        ("redrive policy", "Allow sqs:GetQueueAttributes"),
    ]
    bare = told.settings(queue_url=told.dead)
    lacking = [one for one in pulling.checks(CONNECTOR, bare, now=now()) if not one.ok]
    assert [one.name for one in lacking] == ["redrive policy"]
    missing = told.settings(queue_url=f"{told.url}-missing")
    wrong = [one for one in pulling.checks(CONNECTOR, missing, now=now()) if not one.ok]
    assert "does not exist" in wrong[0].said


def test_private_endpoint_is_refused_unless_allowed(told: Told) -> None:
    with pytest.raises(Stopped, match="does not speak https"):
        pulling.pages(CONNECTOR, told.settings(), now=now(), private=False)


def test_secret_is_in_no_cursor_message_or_log(
    told: Told, source: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told.bucket.put("one.json.gz", log_of(1))
    told.say(event(told.bucket.name, "one.json.gz"))
    told.say("poison")
    made = source()
    pulling.connect(made, "s3_queue", told.settings())
    row = pull(made)
    rows = list(Connection.objects.values("cursor", "settings"))
    text = json.dumps([rows, row.problem, caplog.text], default=str)
    secret = told.reader.credentials.secret_access_key
    assert (secret in text, SECRET in text) == (False, True)
    assert len(json.dumps(rows[0]["cursor"])) < 100
