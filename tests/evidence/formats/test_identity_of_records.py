"""What makes a record the same record stays what it is: digests, kept bytes, places.

A change of these figures would store every event a second time when its file is sent again.
"""

from hashlib import sha256

import orjson
import pytest

from evidence.formats import FORMATS
from evidence.formats.record import Asked
from tests.evidence.bodies import record, run_of

CLOUDTRAIL = [
    ("Records[0]", "ebb7863078200c5202f9028846328d4d"),
    ("Records[1]", "fc4f1e8592dd3c7e40a564a69b20608d"),
    ("Records[3]", "f521d582a40ba0aad0d9f4ec618adf9e"),
    ("Records[4]", "db4defa2eca7abbf52f0b7159c2f4a51"),
]
KEPT_CLOUDTRAIL = "2fb7be41079a9cf94570f3df27593ec706c9652a473622e0b64c22b189eadbb7"
OTLP = [
    ("spans[0.0.0]", "82f70d1ab352650dfe0c04d8e985ff0a"),
    ("spans[0.0.1]", "514da671812ae4ee10f6fabd6674bfa1"),
    ("spans[0.0.2]", "13434945b34adb010efe4dd72ff57f22"),
]
KEPT_OTLP = "4a3a1d58cba1ade72f19704cf3069ecc008c3c03ca8ef9480384cfc4014403e7"
ASKED = Asked(source="sample", digest_key=b"k" * 32)
# Of what is no record, only a source that keeps content keeps the text.
KEEPS_CONTENT = ASKED._replace(keep_content=True)


def deep(levels: int) -> bytes:
    return b'{"deep":' * levels + b"1" + b"}" * levels


def trail() -> bytes:
    """A plain record, one out of order and with a secret, one nested too deeply, one in an
    envelope, one with text of other alphabets, and one that is none."""
    secret = dict(reversed(record(2, requestParameters={"password": "correct-horse-7"}).items()))
    parts = [
        orjson.dumps(record(1, requestParameters={"bucketName": "reports", "key": "a.csv"})),
        orjson.dumps(secret),
        b'{"eventName":"GetObject","eventSource":"s3.amazonaws.com","x":' + deep(300) + b"}",
        orjson.dumps({"detail-type": "AWS API Call via CloudTrail", "detail": record(3)}),
        orjson.dumps(record(4, userAgent='aws-cli/2 “ü” 名前 \\ " \t')),
        b'"a text"',
    ]
    return b'{"Records":[' + b",".join(parts) + b"]}"


@pytest.mark.parametrize(
    ("name", "body", "asked", "records", "kept"),
    [
        ("cloudtrail", trail(), KEEPS_CONTENT, CLOUDTRAIL, KEPT_CLOUDTRAIL),
        ("otlp", run_of("REQ").SerializeToString(), ASKED, OTLP, KEPT_OTLP),
    ],
)
def test_digests_places_and_kept_bytes_stay(
    name: str, body: bytes, asked: Asked, records: list[tuple[str, str]], kept: str
) -> None:
    parsed = FORMATS[name].parse(body, asked)
    assert [(one.position, one.digest.hex()) for one in parsed.records] == records
    assert sha256(parsed.kept).hexdigest() == kept


def test_body_with_a_record_that_nests_too_deeply_reads_the_others_alike() -> None:
    parsed = FORMATS["cloudtrail"].parse(trail(), ASKED)
    assert [(one.position, one.reason) for one in parsed.rejects] == [
        ("Records[2]", "is nested too deeply"),
        ("Records[5]", "is not a JSON object"),
    ]
    assert [(one.position, one.kind) for one in parsed.redactions] == [
        ("Records[1]", "password"),
        ("Records[5]", "content"),
    ]
