"""What a request to AWS asks for, and how AWS words a refusal.

Owns reading a signed request (whose key, which action, on what) and the shape of an error in each
of AWS's protocols. Must not decide anything.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

Protocol = Literal["query", "ec2", "s3", "json", "rest-json"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. Unsigned requests have no access key id; `action` is as policies name it."""

    method: str
    path: str
    protocol: Protocol
    service: str
    region: str
    access_key_id: str
    action: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    bucket: str = ""
    object_key: str = ""


def asked(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Asked:
    """Read a request line, its headers (names in lower case) and its body."""
    parts = urlsplit(target)
    scope = headers.get("authorization", "").partition("Credential=")[2].partition(",")[0]
    key, _, region, service, *_ = [*scope.strip().split("/"), "", "", "", ""]
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if service == "s3":
        bucket, _, object_key = unquote(parts.path).lstrip("/").partition("/")
        return Asked(
            method=method,
            path=parts.path,
            protocol="s3",
            service="s3",
            region=region,
            access_key_id=key,
            action=_s3_action(method, bucket, object_key, _form(parts.query)),
            bucket=bucket,
            object_key=object_key,
        )
    if operation:
        return Asked(
            method=method,
            path=parts.path,
            protocol="json",
            service=service,
            region=region,
            access_key_id=key,
            action=f"{service}:{operation}",
            parameters=_json(body),
        )
    parameters = _form(body.decode("utf-8", "replace")) | _form(parts.query)
    operation = parameters.get("Action", "")
    protocol: Protocol = "rest-json" if not operation else "ec2" if service == "ec2" else "query"
    return Asked(
        method=method,
        path=parts.path,
        protocol=protocol,
        service=service,
        region=region,
        access_key_id=key,
        action=f"{service}:{operation}" if operation else "",
        parameters=parameters,
    )


def _form(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def _json(body: bytes) -> dict[str, str]:
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return {}
    return {k: v for k, v in data.items() if isinstance(v, str)} if isinstance(data, dict) else {}


# What S3 calls by method and place; what the query says changes it.
_S3 = {
    ("GET", "service"): "ListAllMyBuckets",
    ("GET", "bucket"): "ListBucket",
    ("HEAD", "bucket"): "ListBucket",
    ("PUT", "bucket"): "CreateBucket",
    ("DELETE", "bucket"): "DeleteBucket",
    ("GET", "object"): "GetObject",
    ("HEAD", "object"): "GetObject",
    ("PUT", "object"): "PutObject",
    ("POST", "object"): "PutObject",
    ("DELETE", "object"): "DeleteObject",
}
_S3_PARTS = {
    "acl": "Acl",
    "cors": "CORS",
    "encryption": "EncryptionConfiguration",
    "lifecycle": "LifecycleConfiguration",
    "location": "Location",
    "policy": "Policy",
    "tagging": "Tagging",
    "versioning": "Versioning",
}


def _s3_action(method: str, bucket: str, object_key: str, query: Mapping[str, str]) -> str:
    place = "object" if object_key else "bucket" if bucket else "service"
    if place == "bucket" and method == "POST" and "delete" in query:
        return "s3:DeleteObject"
    if place == "bucket" and method == "GET" and "versions" in query:
        return "s3:ListBucketVersions"
    for word, name in _S3_PARTS.items():
        if word in query and place != "service":
            verb = {"GET": "Get", "HEAD": "Get", "PUT": "Put", "DELETE": "Delete"}.get(method, "")
            return f"s3:{verb}{place.capitalize()}{name}"
    name = _S3.get((method, place), "")
    return f"s3:{name}" if name else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to send: status, headers, body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


# Why a request is refused, and how each protocol says it: (code, status). After "Common errors"
# of the IAM and STS references, "Error responses" of S3, "Error codes" of EC2 and the common
# errors of the JSON services.
_CODES: dict[str, dict[Protocol, tuple[str, int]]] = {
    "inactive": {
        "query": ("InvalidClientTokenId", 403),
        "ec2": ("AuthFailure", 401),
        "s3": ("InvalidAccessKeyId", 403),
        "json": ("UnrecognizedClientException", 400),
        "rest-json": ("UnrecognizedClientException", 403),
    },
    "expired": {
        "query": ("ExpiredToken", 403),
        "ec2": ("RequestExpired", 400),
        "s3": ("ExpiredToken", 400),
        "json": ("ExpiredTokenException", 400),
        "rest-json": ("ExpiredTokenException", 403),
    },
    "denied": {
        "query": ("AccessDenied", 403),
        "ec2": ("UnauthorizedOperation", 403),
        "s3": ("AccessDenied", 403),
        "json": ("AccessDeniedException", 400),
        "rest-json": ("AccessDeniedException", 403),
    },
    "throttled": {
        "query": ("Throttling", 400),
        "ec2": ("RequestLimitExceeded", 503),
        "s3": ("SlowDown", 503),
        "json": ("ThrottlingException", 400),
        "rest-json": ("TooManyRequestsException", 429),
    },
    "unknown": {
        "query": ("NotImplemented", 501),
        "ec2": ("NotImplemented", 501),
        "s3": ("NotImplemented", 501),
        "json": ("NotImplemented", 501),
        "rest-json": ("NotImplemented", 501),
    },
}
_MESSAGES = {
    "inactive": "The security token included in the request is invalid.",
    "expired": "The security token included in the request is expired",
    "throttled": "Rate exceeded",
}


def refusal(
    request: Asked, *, why: str, message: str = "", headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """AWS's words for a refusal in the protocol of the request."""
    code, status = _CODES[why][request.protocol]
    message = message or _MESSAGES.get(why, code)
    if why == "inactive" and request.protocol == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
    number = str(uuid.uuid4())
    said, shown = escape(message), escape(code)
    if request.protocol in ("json", "rest-json"):
        body = json.dumps({"__type": code, "message": message})
        kind = "application/x-amz-json-1.1" if request.protocol == "json" else "application/json"
        headers += (("Content-Type", kind), ("x-amzn-ErrorType", code))
    elif request.protocol == "s3":
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{shown}</Code>'
            f"<Message>{said}</Message><RequestId>{number}</RequestId></Error>"
        )
        headers += (("Content-Type", "application/xml"),)
    elif request.protocol == "ec2":
        body = (
            f"<Response><Errors><Error><Code>{shown}</Code><Message>{said}</Message></Error>"
            f"</Errors><RequestID>{number}</RequestID></Response>"
        )
        headers += (("Content-Type", "text/xml"),)
    else:
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{shown}</Code>"
            f"<Message>{said}</Message></Error><RequestId>{number}</RequestId></ErrorResponse>"
        )
        headers += (("Content-Type", "text/xml"),)
    headers += (("x-amzn-RequestId", number),)
    return Answer(status, headers, b"" if request.method == "HEAD" else body.encode())


def success(request: Asked, result: str = "") -> Answer:
    """A success of a query service, with the result's XML."""
    name = request.parameters.get("Action", "")
    number = str(uuid.uuid4())
    inner = f"<{name}Result>{result}</{name}Result>" if result else ""
    body = (
        f'<{name}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/">{inner}'
        f"<ResponseMetadata><RequestId>{number}</RequestId></ResponseMetadata></{name}Response>"
    )
    return Answer(200, (("Content-Type", "text/xml"), ("x-amzn-RequestId", number)), body.encode())


def numbered(parameters: Mapping[str, str], name: str) -> list[str]:
    """A list parameter of the query protocol: Name.member.1, Name.member.2, …"""
    found = []
    for number in range(1, 1001):
        value = parameters.get(f"{name}.member.{number}")
        if value is None:
            break
        found.append(value)
    return found
