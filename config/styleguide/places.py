"""Sample contexts of the pages about sources, evidence, findings, credentials and small steps."""

from typing import Any

from django import forms

from config.styleguide import inventories, samples
from config.styleguide.pages import identities as identity_rows
from config.styleguide.pages import systems
from config.styleguide.samples import at, event

type Sample = dict[str, Any]

IDENTITY = {"key": "NHI-0417", "name": "report-agent", "url": "/identities/NHI-0417/"}


class RequestForm(forms.Form):
    """Looks like the form of an access request; saves nothing."""

    identity = forms.ChoiceField(choices=[("", "choose…"), ("NHI-0417", "report-agent")])
    actions = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), help_text="One a line: s3:GetObject"
    )
    resources = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), help_text="One a line: invoices/*"
    )
    purpose = forms.CharField(max_length=400)
    until = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    renew = forms.BooleanField(required=False, label="Renews a delegation that ends")


def run() -> Sample:
    def span(
        depth: int,
        name: str,
        kind: str,
        offset: float,
        width: float,
        *links: Sample,
        verdict: str = "",
    ) -> Sample:
        return {
            "depth": depth, "name": name, "kind": kind, "at": at("14:02:05"), "duration_us": round(width * 14_770_000),
            "offset_share": offset, "width_share": width, "outcome": "ok", "verdict": verdict, "url": "/events/1-1/", "links": list(links),
        }  # fmt: skip

    def link(words: str, strength: str = "exact") -> Sample:
        return {
            "strength": strength,
            "words": words,
            "url": "/events/1-2/",
            "proof": "same request id",
        }

    return {
        "run": {
            "key": "RUN-8841", "agent": "report-agent", "service": "quarterly-reporting", "task": "Q3 report", "conversation": "conv-19", "release": "report-agent 4.2, gpt-x", "first_at": at("14:02:05"),
            "last_at": at("14:26:42"), "duration_us": 1_477_000_000, "ended": True, "spans": 412, "tool_calls": 218, "model_calls": 7, "api_calls": 187, "failed": 1, "source": "reporting-otlp", "source_url": "/sources/reporting-otlp/", "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
        },
        "identity": IDENTITY,
        "answers": samples.strip(),
        "spans": [
            span(0, "invoke_agent report-agent", "agent run", 0, 100),
            span(1, "chat", "model call", 1, 4),
            span(1, "execute_tool read_invoice", "tool call", 8, 1, link("s3:GetObject invoices/2026/08/114.json"), verdict="inside"),
            span(1, "execute_tool get_secret", "tool call", 41, 1, link("secretsmanager:GetSecretValue prod/db"), verdict="outside"),
            span(2, "SecretsManager.GetSecretValue", "API call", 41.2, 0.8, link("secretsmanager:GetSecretValue prod/db"), verdict="outside"),
            span(1, "execute_tool list_files", "tool call", 66, 1, link("s3:ListBucket hr-records", "inferred"), verdict="unknown"),
        ],
        "findings": samples.findings()[:2],
        "missing": "S3 data events were silent 14:31–14:44 UTC.",
    }  # fmt: skip


def unclaimed() -> Sample:
    def proposal(number: int, identity: str, reason: str, **more: Any) -> Sample:
        return {
            "id": number,
            "identity": identity,
            "identity_url": "/identities/NHI-0417/",
            "identity_key": "NHI-0417",
            "reason": reason,
            "strength": "exact",
            "seen": 45,
            **more,
        }

    return {
        "rows": [
            {"id": 1, "value": "invoice-agent", "kind": "agent", "realm": "otel:lab", "first_at": at("14:00"), "last_at": at("15:00"), "count": 45, "count_url": "/events/", "proposals": [proposal(11, "svc-invoice-agent", "45 calls of invoice-agent were made with this key")]},
            {"id": 2, "value": "report-agent", "kind": "agent", "realm": "otel:lab", "first_at": at("14:00"), "last_at": at("15:00"), "count": 218, "proposals": [proposal(12, "svc-shared", "12 calls of report-agent were made with this key", shared=True), proposal(13, "svc-report-agent", "206 calls of report-agent were made with this key", why_not="You own the identity and issued the key.")]},
            {"id": 3, "value": "arn:aws:iam::123456789012:user/nobody", "kind": "user", "realm": "aws:123456789012", "first_at": at("15:00"), "last_at": at("15:02"), "count": None, "proposals": [], "listed": inventories.listed()},
        ],
        "page": {"first": 1, "last": 3, "total": 3},
        "link_url": "/links/new/", "reject_url": "/unclaimed/reject/",
        "bulk": {"at_least": 20, "n": 2},
        "identities": identity_rows()["rows"],
    }  # fmt: skip


def sources() -> Sample:
    def row(name: str, title: str, plane: str, state: str, words: str, **more: Any) -> Sample:
        return {
            "name": name, "title": title, "url": f"/sources/{name}/", "plane": plane, "format": "cloudtrail" if plane == "identity" else "otlp", "state": state, "state_words": words,
            "last_received_at": at("15:46"), "watermark": at("15:40"), "completeness": "heartbeat", "events": 1204, "events_url": "/events/", "rejects": 0, "per_minute": 12, "share": None, **more,
        }  # fmt: skip

    return {
        "rows": [
            row("finance-prod", "AWS finance-prod", "identity", "ok", "on time"),
            row("reporting-otlp", "Quarterly reporting", "ai", "late", "2 min late"),
            row(
                "langfuse",
                "Langfuse, Support copilot",
                "ai",
                "silent",
                "silent 41 min",
                watermark=None,
                completeness="",
                rejects=3,
                rejects_url="/sources/langfuse/",
            ),
            row(
                "s3-data",
                "S3 data events",
                "identity",
                "gap",
                "14:31–14:44 UTC",
                share=58,
                sampling_words="10 % sampled",
            ),
            row(
                "okta",
                "",
                "identity",
                "new_source",
                "",
                last_received_at=None,
                watermark=None,
                events=0,
                per_minute=0,
            ),
        ]
    }


def source() -> Sample:
    return {
        "source": sources()["rows"][0] | {"realms": ["aws:123456789012"], "lag_seconds": 900, "retention_days": 3650, "token_hint": "cs_a8", "token_used_at": at("15:46")},
        "custody": {"days": 3650, "dropped_events": 1204, "dropped_before": at("00:00:00"), "holds": [{"about": "source finance-prod", "reason": "case 9", "by": "Jonas Weber", "at": at("14:14:00")}], "left_out": [], "rules": "drop action s3:List*", "why_not": "", "retention_url": "#custody", "hold_url": "#custody", "filter_url": "#custody"},
        "drop_url": "/sources/finance-prod/drop/", "declare_url": "/sources/finance-prod/declare/", "rotate_url": "/sources/finance-prod/token/",
        "formats": [{"value": "cloudtrail", "words": "CloudTrail"}, {"value": "otlp", "words": "OTLP traces"}],
        "otlp_url": "https://countersign.example.org/v1/traces", "records_url": "https://countersign.example.org/api/evidence/finance-prod/",
        "gaps": [{"from": at("14:31"), "to": at("14:44"), "reason": "the trail was stopped"}],
        "deposits": [{"id": 812, "url": "/deposits/812/", "received_at": at("15:46"), "name": "123456789012_CloudTrail_20261124.json.gz", "by": "Ines Moreau", "records": 1204, "events": 1200, "duplicates": 4, "rejects": 2, "bytes": 1_204_000}],
        "page": {"first": 1, "last": 1, "total": 1},
    }  # fmt: skip


def token() -> Sample:
    return {
        "source": source()["source"],
        "token": "shown-once-4f8a2b",
        "expires_at": at("00:00", 1, 12),
        "otlp_url": source()["otlp_url"],
        "records_url": source()["records_url"],
    }


def ledger() -> Sample:
    def row(number: int | None, clock: str, by: str, act: str, subject: str, words: str) -> Sample:
        return {
            "number": number,
            "at": at(clock),
            "by": by,
            "act": act,
            "subject": subject,
            "subject_url": "/cases/CS-2038/",
            "words": words,
            "digest": "4be1a93c0c8990aa",
        }

    return {
        "rows": [
            row(
                None,
                "15:48:02",
                "Ines Moreau",
                "item.answered",
                "CS-2038",
                "answered revoke on AKIA…QP7D",
            ),
            row(
                184_302,
                "15:41:00",
                "Ines Moreau",
                "capsule.sealed",
                "CAP-77",
                "sealed capsule CAP-77, 240 events",
            ),
            row(
                184_301,
                "15:40:00",
                "Countersign",
                "revocation.sent",
                "REV-120",
                "asked AWS to deny old sessions",
            ),
        ],
        "acts_filter": [
            {"value": "", "words": "all"},
            {"value": "item.answered", "words": "item answered"},
        ],
        "sealed": {"row": 184_302, "at": at("15:48:01"), "waiting": 1, "ok": True},
        "export_url": "/ledger/export/",
        "page": {"first": 1, "last": 3, "total": 184_302, "next_url": "?before=184301"},
    }


def events() -> Sample:
    return {
        "heading": "226 events of report-agent",
        "lead": "24 Nov 2026, newest first.",
        "filters": [
            {"name": "identity", "words": "identity", "value": "NHI-0417", "clear_url": "/events/"}
        ],
        "rows": samples.events(),
        "missing": "S3 data events were silent 14:31–14:44 UTC.",
        "page": {"first": 1, "last": 11, "total": 226, "next_url": "?after=x"},
    }


def one_event() -> Sample:
    return event("14:12:18", "secretsmanager:GetSecretValue", "prod/db", verdict="outside") | {
        "undated": False
    }


def event_page() -> Sample:
    actors = [
        {"role": "principal", "value": "arn:aws:iam::123456789012:user/svc-report-agent", "kind": "user", "realm": "aws:123456789012", "identity": {"words": "report-agent", "url": "/identities/NHI-0417/"}, "strength": "exact"},
        {"role": "credential", "value": "AKIA…QP7D", "kind": "access_key", "realm": "aws", "identity": None, "strength": ""},
    ]  # fmt: skip
    return {
        "event": one_event() | {"received_at": at("14:14:00"), "request_id": "9f2c11aa-0042-4e1c-b001-93d1f0e8a1e1", "address": "10.0.4.7", "user_agent": "Boto3/1.40", "source": "finance-prod", "source_url": "/sources/finance-prod/", "time_basis": "stated", "actors": actors, "redactions": 2, "excerpt": '{"eventName": "GetSecretValue", "requestParameters": {"secretId": "prod/db"}}'},
        "links": [{"strength": "exact", "words": "execute_tool get_secret", "url": "/events/1-1/", "proof": "same request id", "at": at("14:12:18"), "difference_us": 187_000, "direction": "caused by"}],
        "findings": samples.findings()[:1],
        "pin": {"url": "/events/1-1/pin/", "cases": [{"key": "CS-2038", "title": "Access review: report-agent"}]},
    }  # fmt: skip


def deposit() -> Sample:
    return {
        "deposit": {"id": 812, "source": "finance-prod", "source_url": "/sources/finance-prod/", "received_at": at("15:46"), "received_by": "Ines Moreau", "name": "123456789012_CloudTrail_20261124.json.gz", "format": "cloudtrail", "received_digest": bytes(range(32)), "received_bytes": 1_204_000, "kept_digest": bytes(range(32, 64)), "kept_bytes": 1_180_000, "rule_version": 3, "records": 1204, "events": 1200, "events_url": "/events/?deposit=812", "duplicates": 2, "rejects": 2, "first_at": at("14:00"), "last_at": at("15:45"), "intact": True},
        "custody": {"tombstones": [{"what": "record 3", "words": "erased: Jonas asked, Ines confirmed", "why": "a scan", "at": at("14:14:00"), "digest": bytes(32)}], "erasures": [], "ask_url": "#custody", "why_not": "", "copies": []},
        "readings": {"live": False, "problem": "", "why_not": "", "reread_url": "#readings", "formats": [{"value": "cloudtrail", "words": "AWS CloudTrail", "on": True}, {"value": "okta", "words": "Okta System Log", "on": False}], "rows": [{"at": at("14:20"), "by": "Jonas Weber", "before": "okta, version 1", "now": "cloudtrail, version 1", "counts": "41 moved"}]},
        "redactions": [{"kind": "aws_secret_key", "count": 2, "characters": 80, "places": ["Records[12].responseElements"]}],
        "rejects": [{"position": "Records[44]", "reason": "eventTime is missing; write it as RFC 3339.", "excerpt": '{"eventName": "GetObject"}'}],
        "excerpt": '{"Records": [{"eventName": "GetObject"}]}', "excerpt_note": "first 4 KB of 1.2 MB",
    }  # fmt: skip


def findings() -> Sample:
    return {
        "rows": samples.findings(),
        "tabs": [
            {"words": "Open", "n": 5, "url": "?", "on": True},
            {"words": "Settled", "n": 1, "url": "?state=settled"},
        ],
        "page": {"first": 1, "last": 5, "total": 5},
    }


def finding() -> Sample:
    return {
        "finding": samples.findings()[0] | {"words": "report-agent read the secret prod/db, which no delegation covers.", "first_at": at("14:12:18"), "last_at": at("14:12:18"), "details": [{"label": "Rule", "words": "outside_resources"}]},
        "identity": IDENTITY, "answers": samples.strip(), "events": samples.events()[8:10], "events_url": "/events/?finding=F-1",
        "dispose": {"url": "/findings/F-1/dispose/", "options": ["confirmed", "expected", "false", "duplicate"]},
        "assign": {"url": "/findings/F-1/assign/", "people": [{"value": "1", "words": "Ines Moreau", "on": True}]},
        "cases": [{"key": "CS-2038", "url": "/cases/CS-2038/", "what": "Access review: report-agent"}],
    }  # fmt: skip


def request_new() -> Sample:
    return {
        "form": RequestForm({"identity": "", "purpose": "build reports"}),
        "identity": IDENTITY,
        "seats": [
            {"words": "identity owner", "who": "Ines Moreau"},
            {"words": "AI-system owner", "who": "Samuel Adeyemi"},
        ],
        "preview": [{"label": "Adds", "words": "s3:GetObject invoices/*"}],
    }


def ai_systems() -> Sample:
    return {"rows": systems(), "page": {"first": 1, "last": 4, "total": 23}}


def credentials() -> Sample:
    return {
        "rows": samples.credentials(),
        "page": {"first": 1, "last": 3, "total": 1395, "next_url": "?page=2"},
    }


def credential() -> Sample:
    one = samples.credentials()[0]
    return {
        "credential": one | {"actor": "AKIA…QP7D", "realm": "aws", "issued_to": "svc-report-agent"},
        "identity": IDENTITY, "answers": samples.strip(), "events": samples.events(), "events_url": "/events/?credential=CRED-7",
        "states": [{"state": "held", "from": at("15:21"), "to": None, "because": "CS-2044"}, {"state": "active", "from": at("09:14", 26, 4), "to": at("15:21"), "because": "issued"}],
        "revocations": [one["revocation"]], "children": samples.credentials()[1:],
        "agents": [{"name": "report-agent", "count": 222, "first_at": at("14:03"), "last_at": at("14:24")}],
        "acts": [{"words": "Hold", "url": "/credentials/CRED-7/hold/", "why_not": "It is held already."}, {"words": "Revoke", "url": "/credentials/CRED-7/revoke/", "ask": "Why is it revoked?", "danger": True, "icon": "ban"}],
    }  # fmt: skip


def profile() -> Sample:
    return {"single_keys": True, "theme": "system", "action_url": "/profile/"}


def sign_in_link() -> Sample:
    return {"who": "Ines Moreau", "roles": "Identity owner, reviewer", "action_url": "/sign-in/x/"}


def confirm() -> Sample:
    return {
        "heading": "Revoke AKIA…QP7D",
        "sentence": "The key is deleted at AWS. This cannot be undone; a new one must be issued.",
        "action_url": "/credentials/CRED-7/revoke/",
        "words": "Revoke the key",
        "danger": True,
        "ask_reason": True,
        "back_url": "/credentials/CRED-7/",
        "hidden": [{"name": "version", "value": "7"}],
        "dry_run": [{"kind": "outside", "words": "report-agent cannot run."}],
    }


def message() -> Sample:
    return {
        "heading": "Not possible now",
        "sentence": "Samuel Adeyemi signed at 15:30:02 UTC: read it and decide again.",
        "next": [{"words": "Read it", "url": "/cases/CS-2038/"}],
    }
