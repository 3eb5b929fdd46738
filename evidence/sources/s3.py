"""Objects of an S3 bucket: everything below a prefix, or a trail's logs.

Owns the listing (ListObjectsV2) and the reading (GetObject) of objects; which of them are new is
sweeping's. A trail is laid out in folders of days, as in
AWSLogs/[o-…/]<account>/CloudTrail/<region>/2026/11/24/: only days that can hold something new are
listed, the oldest day of all regions first. After "CloudTrail log file examples" of the
CloudTrail User Guide and the S3 API reference.
"""

import heapq
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, islice
from typing import Any

from botocore import exceptions as boto
from django.utils import timezone

from evidence.formats import FORMATS
from evidence.sources import aws, sweeping
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Later, Stopped
from evidence.sources.sweeping import Changed, Shelf, Thing, Unreadable

ANY, TRAIL = "any", "trail"
DAY = timedelta(days=1)
# Folders of a trail that are looked through again for files that come late.
LATE_DAYS = 2
MOST_LATE_DAYS = 400
# Entries of all regions' listings held at once, and of one of many.
MOST_LISTED, LEAST_KEYS = 50_000, 20
# S3 answers with no more at once.
MOST_KEYS = 1000
# Other objects that are tried before one refusal counts as a refusal of all.
OTHERS = 5
# So often the rest of one object is asked for without a byte in between.
BROKEN_OFF = 3
# CloudTrail's own word for its files.
LATE_SECONDS = 900

# What S3 answers where one object cannot be read, and the words for it.
THIS_ONE = {
    "NoSuchKey": "it was deleted before it was read",
    "NoSuchVersion": "it was deleted before it was read",
    "404": "it was deleted before it was read",
    "InvalidObjectState": "it is archived; restore it and copy it anew",
    "InvalidRequest": "it is encrypted with a key that only its writer has",
    "KMS.DisabledException": "the key it is encrypted with is disabled",
    "KMS.NotFoundException": "the key it is encrypted with is gone",
    "KMS.KMSInvalidStateException": "the key it is encrypted with cannot be used",
}

# What AWS writes beside a trail's logs, by its folder below AWSLogs/<account>/; docs of CloudTrail
# ("log file locations") and of each service.
BESIDE = {
    "CloudTrail-Digest": "digests of a trail, which prove its logs and hold no events",
    "vpcflowlogs": "flow logs of a VPC, which name addresses and no identity",
    "elasticloadbalancing": "access logs of a load balancer, which name no identity",
    "Config": "snapshots of AWS Config, which are no log",
    "WAFLogs": "logs of a firewall, which name no identity",
    "vpcdnsquerylogs": "DNS queries of a VPC, which name no identity",
    "network-firewall": "logs of a firewall, which name no identity",
}
_SERVICE = re.compile(r"(?:.*/)?AWSLogs/(?:o-[a-z0-9]{10,32}/)?\d{12}/([^/]+)/", re.DOTALL)

type Order = tuple[date, str, str]  # the day, the folder of account and region, the key

PLACE = (
    Field("bucket", "Bucket"),
    Field("prefix", "Prefix", required=False, help="what the keys begin with; empty: all"),
)
LAYOUT = Field(
    "layout",
    "Layout",
    "choice",
    choices=(ANY, TRAIL),
    default=ANY,
    help="trail: the logs that CloudTrail writes, and nothing else",
)
FORMAT = Field(
    "format",
    "Format",
    "choice",
    required=False,
    choices=tuple(sorted(FORMATS)),
    help="empty: each file's own, recognised",
)


class Bucket:
    """The bucket of one pull."""

    def __init__(self, asked: Asked, clients: aws.Clients) -> None:
        self._asked = asked
        self._clients = clients
        self.name = asked.settings["bucket"]
        self.prefix = asked.settings.get("prefix", "")
        self.trail = asked.settings.get("layout") == TRAIL
        self._read = False  # whether any object could be read in this pull
        self._made: Any = None

    @property
    def client(self) -> Any:
        """The S3 client, made when it is first needed."""
        if self._made is None:
            self._made = self._clients.client("s3")
        return self._made

    def shelf(self) -> Shelf:
        """What sweeping needs to know of it."""
        return Shelf(
            listing=self.in_trail if self.trail else self.below_prefix,
            opened=self.opened,
            format=self._asked.settings.get("format", "") or ("cloudtrail" if self.trail else ""),
            # Whoever names a format wants what is in it, wherever it lies.
            beside=(lambda _: "") if self._asked.settings.get("format") else beside,
        )

    # Listing

    def below_prefix(self, _: datetime, after: str) -> Iterator[Thing]:
        """All objects below the prefix in the order of their keys: S3 cannot list by time."""
        yield from self._objects(self.prefix, after)

    def in_trail(self, since: datetime, after: str) -> Iterator[Thing]:
        """The logs of a trail from some days before `since` on, day by day through all regions."""
        days = int(self._asked.settings.get("late_days", "") or LATE_DAYS)
        first = since.date() - min(days, MOST_LATE_DAYS) * DAY
        begun = _order(after)
        if begun is not None:
            first = max(first, begun[0])
        folders = self.folders()
        # Each region's listing holds its next entries in memory.
        most = max(LEAST_KEYS, min(MOST_KEYS, MOST_LISTED // max(1, len(folders))))
        regions = [self._objects(one, f"{one}{first:%Y/%m/%d}/", most) for one in folders]
        for order, thing in heapq.merge(*map(_ordered, regions), key=_first_of):
            if begun is None or order > begun:
                yield thing._replace(reached=datetime.combine(order[0], time(), UTC))

    def folders(self) -> list[str]:
        """The folders of a trail that hold days: one for each account and region."""
        top = f"{self.prefix.rstrip('/')}/AWSLogs/".lstrip("/")
        accounts = []
        for one in self._inside(top):
            accounts += self._inside(one) if one.removeprefix(top).startswith("o-") else [one]
        return sorted(
            region
            for account in accounts
            if re.fullmatch(r"\d{12}", account.rstrip("/").rpartition("/")[2])
            for region in self._inside(f"{account}CloudTrail/")
        )

    def _inside(self, prefix: str) -> list[str]:
        return [
            one["Prefix"]
            for answer in self._listed(Prefix=prefix, Delimiter="/")
            for one in answer.get("CommonPrefixes", ())
        ]

    def _objects(self, prefix: str, after: str, most: int = 0) -> Iterator[Thing]:
        said = {"StartAfter": after} if after else {}
        for answer in self._listed(Prefix=prefix, MaxKeys=most or MOST_KEYS, **said):
            for one in answer.get("Contents", ()):
                yield Thing(one["Key"], one.get("ETag", ""), one["Size"], one["LastModified"])

    def _listed(self, **said: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            with aws.asking("s3:ListBucket", f"the bucket {self.name}"):
                answer = self.client.list_objects_v2(Bucket=self.name, **said, **token)
            yield answer
            if not answer.get("IsTruncated"):
                return
            token = {"ContinuationToken": answer["NextContinuationToken"]}

    # Reading

    def opened(self, thing: Thing) -> "Body":
        """The bytes of an object. See `Shelf`."""
        try:
            body = Body(self, thing)
        except boto.ClientError as problem:
            code = aws.code_of(problem)
            if code in ("PreconditionFailed", "412"):
                raise Changed from None
            if code in THIS_ONE:
                raise Unreadable(f"{THIS_ONE[code]} ({code})") from None
            if code in aws.REFUSED and (self._read or self._others_open(thing)):
                raise Unreadable(f"AWS refuses to read this one ({code})") from None
            with aws.asking("s3:GetObject", f"{self.name}/{sweeping.shown(thing.key)}"):
                raise
        self._read = True
        return body

    def answer(self, thing: Thing, at: int = 0) -> Any:
        """The answer to GetObject from byte `at` on. Raises botocore's ClientError."""
        said = {"IfMatch": thing.version} if thing.version else {}
        if at:
            said["Range"] = f"bytes={at}-"
        try:
            return self.client.get_object(Bucket=self.name, Key=thing.key, **said)
        except boto.ClientError:
            raise
        except Exception:
            with aws.asking("s3:GetObject", f"{self.name}/{sweeping.shown(thing.key)}"):
                raise

    def _others_open(self, refused: Thing) -> bool:
        """Whether any other object can be read: the refusal is then this one's own."""
        with suppress(Stopped):  # where listing is refused, nothing is known of others
            for other in self._others(refused.key):
                with suppress(boto.ClientError), closing(Body(self, other)):
                    return True
        return False

    def _others(self, key: str) -> Iterator[Thing]:
        following = islice(self._objects(self.prefix, key), OTHERS)
        first = islice(self._objects(self.prefix, ""), OTHERS)
        return (one for one in chain(following, first) if one.key != key and one.size)


class Body:
    """The bytes of one object; a line that breaks off is taken up where it was lost."""

    def __init__(self, bucket: Bucket, thing: Thing) -> None:
        self._bucket, self._thing = bucket, thing
        self._at = 0
        self._stream: Any = bucket.answer(thing)["Body"]

    def read(self, size: int = -1, /) -> bytes:
        """As files read. Raises Later, Unreadable, or Changed when it is another object by now."""
        tries = 1
        while True:
            try:
                data: bytes = self._stream.read(None if size < 0 else size)
            except boto.FlexibleChecksumError:
                raise Unreadable("what came has another checksum than what was stored") from None
            except (Later, boto.BotoCoreError) as problem:
                if tries == BROKEN_OFF or size < 0:
                    raise Later(f"{sweeping.shown(self._thing.key)} broke off") from problem
                tries += 1
                self._again()
            else:
                self._at += len(data)
                return data

    def close(self) -> None:
        """Give up what was not read."""
        self._stream.close()

    def _again(self) -> None:
        self._stream.close()
        try:
            self._stream = self._bucket.answer(self._thing, self._at)["Body"]
        except boto.ClientError as problem:
            if aws.code_of(problem) in ("PreconditionFailed", "412"):
                raise Changed from None
            with aws.asking("s3:GetObject", sweeping.shown(self._thing.key)):
                raise


def beside(key: str) -> str:
    """Why an object of this name holds no records; empty: it may hold some."""
    found = _SERVICE.match(key)
    return BESIDE.get(found[1], "") if found else ""


def _order(key: str) -> Order | None:
    """Where a log of a trail stands among all; None for what is no log."""
    found = re.fullmatch(r"(.*/CloudTrail/[^/]+/)(\d{4})/(\d{2})/(\d{2})/.*", key, re.DOTALL)
    try:
        return found and (date(int(found[2]), int(found[3]), int(found[4])), found[1], key)
    except ValueError:
        return None


def _ordered(things: Iterator[Thing]) -> Iterator[tuple[Order, Thing]]:
    for thing in things:
        order = _order(thing.key)
        if order is not None:
            yield order, thing


def _first_of(pair: tuple[Order, Thing]) -> Order:
    return pair[0]


def pages(asked: Asked) -> Iterator[Page]:
    """One page a part of an object; a sweep through the listing is a pull."""
    with aws.Clients(asked) as clients:
        yield from sweeping.pages(asked, Bucket(asked, clients).shelf())


def check(asked: Asked) -> Iterator[Check]:
    """The credentials, listing, and reading one object."""
    with aws.Clients(asked) as clients:
        yield aws.credentials_check(clients, asked)
        yield from bucket_checks(Bucket(asked, clients))


def bucket_checks(bucket: Bucket) -> Iterator[Check]:
    """Listing a bucket, and reading one object of it."""
    yield tried("s3:ListBucket", lambda: _regions(bucket) if bucket.trail else _first(bucket))
    yield tried("s3:GetObject", lambda: _one_read(bucket))


def _first(bucket: Bucket) -> str:
    found = next(bucket.below_prefix(timezone.now(), ""), None)
    if found is None:
        return f"{bucket.name} has nothing below {bucket.prefix or 'its top'} yet"
    return f"{bucket.name} has {sweeping.shown(found.key)}"


def _regions(bucket: Bucket) -> str:
    found = bucket.folders()
    if not found:
        raise Stopped(
            f"{bucket.name} has no folder AWSLogs/<account>/CloudTrail/<region>/"
            f" below {bucket.prefix or 'its top'}.",
            "Set the prefix that the trail has, or wait until it has written its first file.",
        )
    return f"logs of {len(found)} accounts and regions, as in {sweeping.shown(found[0])}"


def _one_read(bucket: Bucket) -> str:
    things = bucket.shelf().listing(timezone.now(), "")
    found = next((thing for thing in things if thing.size), None)
    if found is None:
        return "there is nothing to read yet"
    try:
        with closing(bucket.opened(found)) as stream:
            stream.read(1)
    except (Unreadable, Changed):
        return "one object cannot be read, others can"
    return f"{sweeping.shown(found.key)} can be read"


CONNECTOR = Connector(
    name="s3",
    title="S3 bucket (any files, or a CloudTrail trail)",
    format="",
    plane="identity",
    fields=(
        *PLACE,
        LAYOUT,
        Field(
            "late_days",
            "Days that are looked through again",
            "number",
            required=False,
            default=str(LATE_DAYS),
            help="of a trail: for files that come late",
        ),
        FORMAT,
        *aws.FIELDS,
    ),
    pages=pages,
    check=check,
    needs="s3:ListBucket on the bucket, s3:GetObject on its objects, kms:Decrypt where they are"
    " encrypted with a key of KMS",
    late_seconds=LATE_SECONDS,
)
