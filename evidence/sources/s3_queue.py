"""Objects of an S3 bucket as a queue tells about them: each is read soon after it was written.

Owns the messages: S3's own, the same wrapped by SNS, EventBridge's, and CloudTrail's. One message
is held at a time, and deleted only after all its objects are stored; after a crash it comes again,
and the cursor says what of it was stored already. A message that cannot be read is told, and left
to the queue's redrive policy. Which objects a message may name is the source's setting: whoever may
send to the queue is not trusted. After "Event message structure" and "EventBridge event message
structure" of the S3 User Guide, and "Configuring Amazon SNS notifications" of CloudTrail's.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from botocore import exceptions as boto

from evidence.sources import aws, s3, sweeping
from evidence.sources.contract import Asked, Check, Connector, Field, Page, Silent, tried
from evidence.sources.failures import Later, Stopped
from evidence.sources.sweeping import Shelf, Thing

log = logging.getLogger(__name__)

# Seconds that a message is ours before it comes again; renewed while its objects are read.
HELD = 300
# Seconds that the queue may wait for a message before it is called empty.
WAIT = 2
# Objects of messages whose deletion may have been lost.
MOST_DONE = 200
LONGEST_MESSAGE = 1024 * 1024
# What SQS says to a handle whose message is not ours any more.
GONE = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"})


class Poison(Exception):
    """A message that is not about an object of this source; the sentence says why."""


class Named(NamedTuple):
    """One object that a message is about."""

    bucket: str
    key: str
    version: str  # its ETag where the message says it
    size: int


def named(text: str) -> list[Named]:
    """The new objects a message is about; none when it is about something else that S3 or
    CloudTrail tells. Raises Poison."""
    message = _object(text)
    if message.get("Type") == "Notification" and "Message" in message:
        message = _object(message["Message"])
    if message.get("Event") == "s3:TestEvent":
        return []
    try:
        if message.get("source") == "aws.s3" and "detail" in message:
            return _of_eventbridge(message)
        if type(message.get("Records")) is list:
            return [one for record in message["Records"] for one in _of_s3(record)]
        if "s3Bucket" in message:
            bucket = _text(message["s3Bucket"])
            return [Named(bucket, _key(key), "", 1) for key in message["s3ObjectKey"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise Poison(f"it lacks what such messages have ({type(problem).__name__})") from None
    raise Poison("it is no message of S3, SNS, EventBridge or CloudTrail about an object")


def _object(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise Poison("it is not JSON") from None
    if type(found) is not dict:
        raise Poison("it is no JSON object")
    return found


def _of_s3(record: Any) -> list[Named]:
    if record["eventSource"] != "aws:s3":
        raise Poison("it is of another service than S3")
    if not record["eventName"].startswith("ObjectCreated:"):
        return []
    one = record["s3"]["object"]
    # In this shape keys are written as in a form.
    key = _key(unquote_plus(_text(one["key"]), errors="strict"))
    bucket = _text(record["s3"]["bucket"]["name"])
    return [Named(bucket, key, _etag(one.get("eTag")), int(one.get("size", 1)))]


def _of_eventbridge(message: dict[str, Any]) -> list[Named]:
    if message["detail-type"] != "Object Created":
        return []
    detail = message["detail"]
    one = detail["object"]
    bucket = _text(detail["bucket"]["name"])
    return [Named(bucket, _key(one["key"]), _etag(one.get("etag")), int(one.get("size", 1)))]


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _key(value: Any) -> str:
    key = _text(value)
    # S3's own bounds; a half of a surrogate pair is no UTF-8 and raises here as well.
    if not 0 < len(key.encode()) <= 1024:
        raise ValueError
    return key


def _etag(value: Any) -> str:
    """An ETag as a header may carry it; else none, and the object is read as it is."""
    return f'"{value}"' if type(value) is str and re.fullmatch(r"[0-9A-Za-z-]+", value) else ""


class Queue:
    """The queue of one pull, and the bucket it tells about."""

    def __init__(self, asked: Asked, clients: aws.Clients) -> None:
        self.url = asked.settings["queue_url"]
        self.bucket = s3.Bucket(asked, clients)
        self._clients = clients
        self._made: Any = None
        self._renewed = 0.0

    @property
    def client(self) -> Any:
        """The SQS client, made when it is first needed."""
        if self._made is None:
            self._made = self._clients.client("sqs")
        return self._made

    def receive(self) -> dict[str, Any] | None:
        """One message, ours for a while; None when there is none now."""
        with aws.asking("sqs:ReceiveMessage", self.url):
            found = self.client.receive_message(
                QueueUrl=self.url,
                # One at a time: others would come again, and count as tried, without being looked at.
                MaxNumberOfMessages=1,
                WaitTimeSeconds=WAIT,
                VisibilityTimeout=HELD,
                MessageSystemAttributeNames=["SentTimestamp"],
            ).get("Messages", [])
        self._renewed = monotonic()
        message: dict[str, Any] | None = found[0] if found else None
        return message

    def renew(self, message: dict[str, Any]) -> None:
        """Keep a message ours while its objects are read."""
        if monotonic() - self._renewed < HELD / 3:
            return
        self._hold(message, HELD)
        self._renewed = monotonic()

    def release(self, message: dict[str, Any]) -> None:
        """Let a message come again at once; where that fails it comes when its time is over."""
        with suppress(Later, Stopped):
            self._hold(message, 0)

    def delete(self, message: dict[str, Any]) -> None:
        """This message is done with."""
        with aws.asking("sqs:DeleteMessage", self.url), _unless_it_came_again():
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def _hold(self, message: dict[str, Any], seconds: int) -> None:
        with aws.asking("sqs:ChangeMessageVisibility", self.url), _unless_it_came_again():
            self.client.change_message_visibility(
                QueueUrl=self.url,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=seconds,
            )

    def attributes(self) -> dict[str, str]:
        """What the queue says of itself."""
        with aws.asking("sqs:GetQueueAttributes", self.url):
            found: dict[str, str] = self.client.get_queue_attributes(
                QueueUrl=self.url,
                AttributeNames=["ApproximateNumberOfMessages", "RedrivePolicy"],
            ).get("Attributes", {})
        return found

    def wanted(self, one: Named) -> bool:
        """Whether an object is evidence of this source. Raises Poison for another bucket's."""
        if one.bucket != self.bucket.name:
            place = sweeping.shown(one.bucket)
            raise Poison(f"it names the bucket {place}, which is not this source's")
        return (
            one.key.startswith(self.bucket.prefix)
            and one.size > 0
            and (not self.bucket.trail or "/CloudTrail/" in f"/{one.key}")
        )


@contextmanager
def _unless_it_came_again() -> Iterator[None]:
    """A message that was ours for too long is somebody's again: then this handle means nothing."""
    try:
        yield
    except boto.ClientError as problem:
        if aws.code_of(problem).rpartition(".")[2] not in GONE:
            raise


def pages(asked: Asked) -> Iterator[Page]:
    """What the messages sent up to `asked.until` are about, one page a part of an object."""
    with aws.Clients(asked) as clients:
        queue = Queue(asked, clients)
        shelf = queue.bucket.shelf()
        cursor = dict(asked.cursor)
        while message := queue.receive():
            sent = _sent(message, asked.until)
            try:
                for page in _of_message(queue, shelf, message, sent, cursor):
                    yield page
                    # Back here, what was handed out is stored.
                    cursor = page.cursor
                    queue.renew(message)
            except GeneratorExit:
                # This run's time is over; the next one goes on with this message.
                queue.release(message)
                raise
            if sent > asked.until:
                return


def _of_message(
    queue: Queue, shelf: Shelf, message: dict[str, Any], sent: datetime, cursor: dict[str, Any]
) -> Iterator[Page]:
    """The pages of one message; deletes it after the last one is stored, if all could be read."""
    done = list(cursor.get("done", ()))
    body = str(message.get("Body", ""))
    try:
        if len(body) > LONGEST_MESSAGE:
            raise Poison("it is longer than messages are")
        things = [
            # Its own time is not told: it appeared no later than its message.
            Thing(one.key, one.version, one.size, sent)
            for one in named(body)
            if queue.wanted(one) and not shelf.beside(one.key)
        ]
    except Poison as problem:
        number = sweeping.shown(str(message.get("MessageId", "")))
        log.warning("message %s is left to the redrive policy: %s", number, problem)
        said = f"message {number} was left out: {problem}"
        yield Page(b"", cursor, silent=Silent(sent - sweeping.COVERS, sent, said))
        return
    # What another message left in the middle stays known until it comes again.
    half: dict[str, Any] = {name: cursor[name] for name in ("of", "part") if name in cursor}
    well, told = True, False
    for thing in things:
        digest = sweeping.digest_of(thing)
        if digest in done:
            continue
        begin = int(half["part"]) if half.get("of") == digest else 0
        for piece in sweeping.pieces(thing, shelf, begin=begin):
            if not piece.last:
                half = {"of": digest, "part": piece.number + 1}
            elif half.get("of") == digest:
                half = {}
            if piece.silent is not None:
                well = False
            elif piece.last:
                done = [*done, digest][-MOST_DONE:]
            yield piece.page({"done": done, **half})
            told = True
    if not told:
        # Nothing to read; the driver hears that the pull is alive.
        yield Page(b"", {"done": done, **half})
    if well:
        queue.delete(message)


def _sent(message: dict[str, Any], otherwise: datetime) -> datetime:
    said = str(message.get("Attributes", {}).get("SentTimestamp", ""))
    if not said.isascii() or not said.isdigit() or len(said) > 14:
        return otherwise
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(said))


def check(asked: Asked) -> Iterator[Check]:
    """The credentials, the queue, its redrive policy, and the bucket. Takes no message."""
    with aws.Clients(asked) as clients:
        queue = Queue(asked, clients)
        yield aws.credentials_check(clients, asked)
        yield tried("sqs:ReceiveMessage", lambda: _receives(queue))
        yield tried("sqs:GetQueueAttributes", lambda: _waiting(queue))
        yield tried("redrive policy", lambda: _redrives(queue))
        yield from s3.bucket_checks(queue.bucket)


def _receives(queue: Queue) -> str:
    with aws.asking("sqs:ReceiveMessage", queue.url):
        # Visible again at once: looking is not taking.
        queue.client.receive_message(
            QueueUrl=queue.url, MaxNumberOfMessages=1, VisibilityTimeout=0, WaitTimeSeconds=0
        )
    return "messages may be received"


def _waiting(queue: Queue) -> str:
    many = queue.attributes().get("ApproximateNumberOfMessages")
    if many is None:
        raise Stopped("The answer tells nothing of a queue.", "Check the URL of the queue.")
    return f"about {many} messages wait"


def _redrives(queue: Queue) -> str:
    if not queue.attributes().get("RedrivePolicy"):
        raise Stopped(
            "The queue has no redrive policy: a message that cannot be read comes again for days.",
            "Give it a dead-letter queue, with maxReceiveCount of 5 or so.",
        )
    return "messages that cannot be read go to another queue"


CONNECTOR = Connector(
    name="s3_queue",
    title="S3 bucket with notifications (SQS)",
    format="",
    plane="identity",
    fields=(
        Field(
            "queue_url",
            "URL of the queue",
            help="as in https://sqs.us-east-1.amazonaws.com/123456789012/trail",
        ),
        *s3.PLACE,
        s3.LAYOUT,
        s3.FORMAT,
        *aws.FIELDS,
    ),
    pages=pages,
    check=check,
    # Notifications may be late, and what nobody was told about is not missed.
    gap_free=False,
    needs="sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and"
    " sqs:GetQueueAttributes on the queue, s3:GetObject on the bucket's objects, kms:Decrypt where"
    " they are encrypted with a key of KMS; s3:ListBucket for the connection test only",
)
