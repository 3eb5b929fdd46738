"""An object in a bucket with object lock (S3): nobody deletes or changes it before its day.

`address` is ``s3://bucket/prefix?region=…&endpoint=https://…``; `credentials` is a reference to a
shared credentials file, else they are found as AWS's own tools find them. Rights: `s3:PutObject`,
`s3:PutObjectRetention`, `s3:GetObject`, `s3:GetObjectVersion`, `s3:GetObjectRetention`, and
`s3:ListBucketVersions` on the bucket.
"""

import configparser
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.utils import timezone

from evidence.sources import aws_session, outside, secrets
from evidence.sources.failures import Later, Stopped
from evidence.stores.anchors.configured import Held, Kept, Place, Statement, wrong

# COMPLIANCE: not even the account's root shortens it.
MODE = "COMPLIANCE"
NAME = re.compile(r"([0-9]{12,18})-([0-9a-f]{16})\.jws")
LARGEST = 1 << 20
PATIENCE = Config(connect_timeout=5, read_timeout=15, retries={"max_attempts": 2})
WAITS = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling"}
)


def keep(place: Place, statement: Statement, *, now: datetime) -> Kept:
    """Put it, and look that it is locked. Put again after a crash, it is another version."""
    client, bucket, prefix = _client(place)
    until = now + timedelta(days=place.says["keep_days"])
    key = f"{prefix}{statement.number:012d}-{statement.hash.hex()[:16]}.jws"
    with_lock = {"ObjectLockMode": MODE, "ObjectLockRetainUntilDate": until}
    put = _asked(
        client.put_object, Bucket=bucket, Key=key, Body=statement.text.encode(),
        ContentType="application/jose", ChecksumAlgorithm="SHA256", **with_lock,
    )  # fmt: skip
    said = {"bucket": bucket, "key": key, "version": put.get("VersionId", "")}
    if why := _why(client, said, statement):
        raise Stopped(f"It is not kept there: {why}.", "Give the bucket object lock and versions.")
    return Kept(json.dumps(said).encode(), f"locked until {until:%Y-%m-%d}")


def problem(place: Place, statement: Statement, receipt: bytes) -> str:
    """What lies there now is asked for."""
    client, _, _ = _client(place)
    try:
        return _why(client, json.loads(receipt), statement)
    except Later as problem:
        return problem.what


def held(place: Place) -> list[Held] | None:
    """Every version of every head below the prefix: a deleted or overwritten one is still listed."""
    client, bucket, prefix = _client(place)
    found: list[Held] = []
    page: dict[str, Any] = {}
    while True:
        page = _asked(
            client.list_object_versions, Bucket=bucket, Prefix=prefix,
            **({"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
               if page else {}),
        )  # fmt: skip
        for one in page.get("Versions", ()):
            name = NAME.fullmatch(one["Key"].removeprefix(prefix))
            if name is not None:
                version = {"Bucket": bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
                found.append(
                    Held(int(name[1]), name[2], one["LastModified"], _reader(client, version))
                )
        if not page.get("IsTruncated"):
            return found


def _reader(client: Any, version: dict[str, str]) -> Callable[[], str]:
    def read() -> str:
        body: bytes = _asked(client.get_object, **version)["Body"].read(LARGEST)
        return body.decode("ascii", "replace")

    return read


def _why(client: Any, said: dict[str, str], statement: Statement) -> str:
    if not said.get("version"):
        return "the bucket keeps no versions"
    place = {"Bucket": said["bucket"], "Key": said["key"], "VersionId": said["version"]}
    found = _asked(client.get_object, **place)
    if found["Body"].read(LARGEST) != statement.text.encode():
        return "another text lies there"
    until = found.get("ObjectLockRetainUntilDate")
    if found.get("ObjectLockMode") != MODE or until is None:
        return "the object is not locked"
    return "" if until.astimezone(UTC) > timezone.now() else "its lock is over"


def _asked(call: Any, **said: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = call(**said)
    except ClientError as problem:
        code = str(problem.response.get("Error", {}).get("Code", ""))
        if code in WAITS:
            raise Later(f"it answered {code}") from None
        message = " ".join(str(problem.response.get("Error", {}).get("Message", "")).split())
        raise Stopped(
            f"It answered {code}: {message[:200]}.", "Look at the bucket and at our rights there."
        ) from None
    except BotoCoreError as problem:
        raise Later(f"{type(problem).__name__} while asking it") from None
    return found


def _client(place: Place) -> tuple[Any, str, str]:
    parts = urlsplit(str(place.says["address"]))
    said = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.scheme != "s3" or not parts.hostname or set(said) - {"region", "endpoint"}:
        raise wrong(f"{place.name}: address is not s3://bucket/prefix?region=…&endpoint=…")
    endpoint = said.get("endpoint")
    if endpoint:
        try:
            outside.place_of(endpoint, allow_private=bool(settings.ALLOW_PRIVATE))
        except (outside.Refused, outside.NotResolved) as problem:
            raise wrong(f"{place.name}: its endpoint is refused: {problem}") from None
    key, secret = _credentials(place)
    session = aws_session.session(key=key, secret=secret, region=said.get("region", "us-east-1"))
    prefix = parts.path.strip("/")
    client = session.client("s3", endpoint_url=endpoint, config=PATIENCE)
    return client, parts.netloc, f"{prefix}/" if prefix else ""


def _credentials(place: Place) -> tuple[str | None, str | None]:
    reference = place.says.get("credentials")
    if not reference:
        return None, None
    found = configparser.ConfigParser(interpolation=None)
    try:
        found.read_string(secrets.read(reference, called="credentials"))
        profile = found["default"] if found.has_section("default") else found[found.sections()[0]]
        return profile["aws_access_key_id"], profile["aws_secret_access_key"]
    except (configparser.Error, KeyError, IndexError):
        raise wrong(f"{place.name}: credentials is no shared credentials file of AWS") from None
