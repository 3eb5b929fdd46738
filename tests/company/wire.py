"""What is written down, in each vendor's own form: records of logs and spans of traces.

Owns the forms only. Times are microseconds since the epoch; ids come from whoever plays.
"""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

ACCOUNT = "412233445566"
SERVER, CLIENT, INTERNAL = 2, 3, 1
type Json = dict[str, Any]


def stamp(at: int, *, whole: bool = False) -> str:
    moment = datetime.fromtimestamp(at / 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z" if whole else f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def uuid_of(*parts: object) -> str:
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


def short(text: str) -> str:
    """Bytes that are written as hex, in base64."""
    return base64.b64encode(bytes.fromhex(text)).decode()


def mac(text: str) -> str:
    """As Vault writes what it does not say."""
    return "hmac-sha256:" + hashlib.sha256(text.encode()).hexdigest()


# --- logs


def user(name: str, key: str) -> Json:
    return {
        "type": "IAMUser",
        "principalId": f"AIDA{name.upper()[:12]}",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": key,
        "userName": name,
    }


def session(role: str, name: str, key: str, since: int) -> Json:
    return {
        "type": "AssumedRole",
        "principalId": f"AROA{role.upper()[:12]}:{name}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": f"AROA{role.upper()[:12]}",
                "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
                "accountId": ACCOUNT,
                "userName": role,
            },
            "attributes": {"creationDate": stamp(since, whole=True), "mfaAuthenticated": "false"},
        },
    }


def cloudtrail(
    at: int, who: Json, action: str, request: str, *, address: str, client: str, **said: Any
) -> Json:
    """`action`: as IAM writes it, `s3:GetObject`. Times are whole seconds, as AWS cuts them."""
    service, operation = action.split(":")
    return {
        "eventVersion": "1.10",
        "userIdentity": who,
        "eventTime": stamp(at, whole=True),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": operation,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": address,
        "userAgent": client,
        "requestParameters": None,
        "responseElements": None,
        "requestID": request,
        "eventID": uuid_of("event", at, request, action, who.get("accessKeyId"), address),
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": ACCOUNT,
    } | said


def assumed(role: str, name: str, key: str, until: int) -> Json:
    """What AssumeRole asks and answers."""
    return {
        "requestParameters": {
            "roleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
            "roleSessionName": name,
        },
        "responseElements": {
            "credentials": {
                "accessKeyId": key,
                "expiration": stamp(until, whole=True),
                "sessionToken": "kept-by-nobody",
            },
            "assumedRoleUser": {
                "assumedRoleId": f"AROA{role.upper()[:12]}:{name}",
                "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}",
            },
        },
    }


def kubernetes(at: int, account: str, verb: str, resource: str, audit: str, **said: Any) -> Json:
    """`said`: pod, token (a JTI), address, client, sub (a subresource), cluster."""
    extra: Json = {}
    if said.get("token"):
        extra["authentication.kubernetes.io/credential-id"] = [f"JTI={said['token']}"]
    if said.get("pod"):
        extra["authentication.kubernetes.io/pod-name"] = [f"pod-{said['pod'][:8]}"]
        extra["authentication.kubernetes.io/pod-uid"] = [said["pod"]]
    of: Json = {"resource": resource, "namespace": "ops", "name": "web", "apiVersion": "v1"}
    if said.get("sub"):
        of["subresource"] = said["sub"]
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": audit,
        "stage": "ResponseComplete",
        "requestURI": f"/api/v1/namespaces/ops/{resource}/web",
        "verb": verb,
        "user": {"username": account, "uid": uuid_of(account), "groups": [], "extra": extra},
        "sourceIPs": [said.get("address", "10.4.0.9")],
        "userAgent": said.get("client", "python-requests/2.32"),
        "objectRef": of,
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": stamp(at),
        "stageTimestamp": stamp(at + 4_000),
        "annotations": {"authorization.k8s.io/decision": "allow"},
        "cluster_name": said.get("cluster", "blue"),
    }


def okta(at: int, kind: str, request: str, *, token: str, address: str) -> Json:
    return {
        "uuid": uuid_of("okta", at, kind, request),
        "published": stamp(at)[:23] + "Z",
        "eventType": kind,
        "version": "0",
        "severity": "INFO",
        "displayMessage": kind,
        "actor": {
            "id": "00udesk",
            "type": "User",
            "alternateId": "svc-desk@example.com",
            "displayName": "svc-desk",
        },
        "client": {"ipAddress": address, "userAgent": {"rawUserAgent": "okta-sdk-python/2.9"}},
        "outcome": {"result": "SUCCESS", "reason": None},
        "target": [{"id": "00u77", "type": "User", "alternateId": "rosa@example.com"}],
        "transaction": {"type": "WEB", "id": request, "detail": {"requestApiTokenId": token}},
        "debugContext": {"debugData": {"requestId": request}},
        "authenticationContext": {"externalSessionId": f"trs{request[:8]}"},
        "securityContext": {},
        "request": {"ipChain": [{"ip": address, "version": "V4"}]},
    }


def github(at: int, action: str, *, digest: str, address: str, actor: str = "desk-bot") -> Json:
    return {
        "@timestamp": at // 1000,
        "_document_id": uuid_of("github", at, action, address),
        "action": action,
        "actor": actor,
        "actor_id": 4711,
        "actor_is_bot": False,
        "actor_ip": address,
        "created_at": at // 1000,
        "org": "acme",
        "org_id": 7,
        "repo": "acme/site",
        "user_agent": "PyGithub/Python",
        "token_id": int(hashlib.sha256(digest.encode()).hexdigest()[:6], 16),
        "hashed_token": digest,
        "programmatic_access_type": "Fine-grained personal access token",
        "operation_type": "access",
    }


def vault(at: int, operation: str, path: str, request: str, *, accessor: str, address: str) -> Json:
    return {
        "time": stamp(at)[:-1] + "000Z",
        "type": "response",
        "auth": {
            "accessor": accessor,
            "client_token": mac(accessor),
            "display_name": "approle",
            "entity_id": uuid_of("entity"),
            "policies": ["reader"],
            "token_type": "service",
        },
        "request": {
            "id": request,
            "operation": operation,
            "path": path,
            "client_token": mac(accessor),
            "client_token_accessor": accessor,
            "mount_type": "kv",
            "mount_point": "secret/",
            "namespace": {"id": "root"},
            "remote_address": address,
        },
        "response": {"mount_type": "kv", "mount_point": "secret/"},
        "cluster": "main",
    }


# --- traces


def _value(value: object) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"stringValue": str(value)}


def _pairs(attributes: Json) -> list[Json]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


class Span:
    """One span; `resource` and `scope` are its sender's."""

    def __init__(
        self,
        trace: str,
        number: str,
        above: str | None,
        name: str,
        at: int,
        lasted: int,
        **said: Any,
    ) -> None:
        self.trace, self.number, self.above, self.name = trace, number, above, name
        self.at, self.lasted = at, lasted
        self.kind: int = said.pop("kind", INTERNAL)
        self.resource: Json = said.pop("resource")
        self.scope: str = said.pop("scope", "company")
        self.failed: bool = said.pop("failed", False)
        self.attributes: Json = said.pop("attributes", {})

    def otlp(self) -> Json:
        plain: Json = {
            "traceId": self.trace,
            "spanId": self.number,
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": str(self.at * 1000),
            "endTimeUnixNano": str((self.at + self.lasted) * 1000),
            "attributes": _pairs(self.attributes),
            "status": {"code": 2} if self.failed else {},
        }
        return plain | ({"parentSpanId": self.above} if self.above else {})

    def langfuse(self) -> Json:
        return {
            "id": self.number,
            "traceId": self.trace,
            "projectId": "company",
            "parentObservationId": self.above,
            "isRootObservation": self.above is None,
            "type": "TOOL" if "gen_ai.tool.name" in self.attributes else "SPAN",
            "name": self.name,
            "startTime": stamp(self.at)[:23] + "Z",
            "endTime": stamp(self.at + self.lasted)[:23] + "Z",
            "level": "ERROR" if self.failed else "DEFAULT",
            "environment": "default",
            "metadata": {
                "attributes": self.attributes,
                "resourceAttributes": self.resource,
                "scope": {"name": self.scope, "version": "1"},
            },
        }

    def mlflow(self) -> Json:
        return {
            "trace_id": short(self.trace),
            "span_id": short(self.number),
            "parent_span_id": short(self.above) if self.above else None,
            "name": self.name,
            "start_time_unix_nano": self.at * 1000,
            "end_time_unix_nano": (self.at + self.lasted) * 1000,
            "events": [],
            "status": {"code": "STATUS_CODE_ERROR" if self.failed else "STATUS_CODE_OK"},
            "attributes": {key: f'"{value}"' for key, value in self.attributes.items()},
            "links": [],
        }


def export(spans: list[Span]) -> Json:
    """One OTLP export request."""
    groups: dict[str, tuple[Span, list[Json]]] = {}
    for span in spans:
        groups.setdefault(repr((span.resource, span.scope)), (span, []))[1].append(span.otlp())
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _pairs(first.resource)},
                "scopeSpans": [{"scope": {"name": first.scope}, "spans": told}],
            }
            for first, told in groups.values()
        ]
    }


def observations(spans: list[Span]) -> Json:
    """One page of Langfuse's v2 observations."""
    return {"data": [span.langfuse() for span in spans], "meta": {"cursor": None}}


def trace_document(spans: list[Span]) -> Json:
    """One MLflow trace; all spans are of it."""
    first = min(span.at for span in spans)
    return {
        "info": {
            "trace_id": f"tr-{spans[0].trace}",
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": {"experiment_id": "1"},
            },
            "request_time": stamp(first),
            "state": "OK",
            "trace_metadata": {"mlflow.source.name": spans[0].resource.get("service.name", "")},
            "tags": {"mlflow.traceName": spans[0].resource.get("service.name", "")},
            "execution_duration_ms": 10,
        },
        "data": {"spans": [span.mlflow() for span in spans]},
    }
