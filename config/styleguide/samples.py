"""The small pieces of the made-up story: times, badges, events, revocations, the frame.

One moment: 24 November 2026, 15:48:10 UTC. Numbers agree with each other across pages.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

type Sample = dict[str, Any]

NOW = datetime(2026, 11, 24, 15, 48, 10, tzinfo=UTC)


def at(clock: str, day: int = 24, month: int = 11) -> datetime:
    """A time of the story: at("14:12:18")."""
    hour, minute, second = (int(one) for one in f"{clock}:00".split(":")[:3])
    return datetime(2026, month, day, hour, minute, second, tzinfo=UTC)


def micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def frame(**more: Any) -> Sample:
    return {
        "now": NOW,
        "frame": {
            "me": {
                "name": "Ines Moreau",
                "initials": "IM",
                "roles": "Identity owner, reviewer",
            },
            "counts": {
                "queue": 8,
                "access_reviews": 4,
                "break_glass": 1,
                "incidents": 1,
                "findings": 6,
                "unclaimed": 3,
                "sources": 1,
            },
            "ledger": {"row": 184_302, "at": at("15:40"), "ok": True},
            "reader": True,
            "single_keys": True,
            "theme": "system",
        },
        **more,
    }


def event(
    clock: str,
    action: str,
    resource: str,
    *,
    strength: str = "exact",
    verdict: str = "inside",
    plane: str = "identity",
    caller: str = "AKIA…QP7D",
    looked: str = "",
    run: bool = True,
) -> Sample:
    ref = f"{micros(at(clock))}-{crc32(f'{clock} {action}'.encode())}"
    return {
        "at": at(clock),
        "plane": plane,
        "activity": "tool call" if plane == "ai" else "use",
        "action": action,
        "resource": resource,
        "caller": caller,
        "outcome": "ok",
        "strength": strength,
        "verdict": verdict,
        "url": f"/events/{ref}/",
        "deposit_url": "/deposits/812/",
        "run": {"key": "RUN-8841", "url": "/runs/RUN-8841/"} if run else None,
        "looked_by": looked,
        "ref": ref,
    }


def events() -> list[Sample]:
    stolen: dict[str, Any] = {
        "strength": "",
        "verdict": "no_run",
        "caller": "198.51.100.77",
        "run": False,
    }
    return [
        event("15:02:05", "secretsmanager:ListSecrets", "", looked="Ines", **stolen)
        | {"outcome": "refused"},
        event("15:01:20", "sts:GetSessionToken", "", looked="Ines", **stolen),
        event("15:00:41", "s3:ListAllMyBuckets", "", looked="Ines", **stolen),
        event("15:00:33", "sts:GetCallerIdentity", "", looked="Ines", **stolen),
        event("14:24:02", "s3:PutObject", "reports/2026-q3.pdf", looked="Ines, Samuel"),
        event("14:20:30", "iam:CreateAccessKey", "AKIA…ZB11", strength="key", verdict="outside"),
        event("14:18:20", "s3:ListBucket", "hr-records", strength="inferred", verdict="unknown"),
        event("14:15:30", "s3:GetObject", "hr-records/salaries.csv", verdict="outside"),
        event("14:12:18", "secretsmanager:GetSecretValue", "prod/db", verdict="outside"),
        event(
            "14:12:18", "tool get_secret", "", plane="ai", verdict="outside", caller="report-agent"
        ),
        event("14:04:00", "s3:GetObject", "invoices/2026/08/114.json"),
    ]


def revocation(number: int, words: str, state: str, **more: Any) -> Sample:
    order = ("requested", "sent", "confirmed", "effective")
    times = {
        f"{step}_at": at(f"15:2{place}:10")
        if state == "failed" or order.index(state) >= place
        else None
        for place, step in enumerate(order)
        if state != "failed" or place < 1
    }
    return {
        "key": f"REV-{number}",
        "words": words,
        "state": state,
        "requested_at": at("15:20:10"),
        "case_key": "CS-2038",
        "case_url": "/cases/CS-2038/",
        **times,
        **more,
    }


def answers() -> Sample:
    return {
        "identity": {
            "headline": "svc-report-agent, by key AKIA…QP7D",
            "facts": [
                {
                    "label": "Issued",
                    "words": "212 days ago by platform-admin",
                    "kind": "exact",
                    "at": at("09:14", 26, 4),
                },
                {"label": "Used by", "words": "report-agent", "kind": "key"},
                {"label": "Also", "words": "somebody", "kind": "no_run"},
                {"label": "Valid?", "words": "held since 15:21 UTC", "kind": "held_not_effective"},
                {"label": "2nd key", "words": "AKIA…ZB11, minted by itself", "kind": "outside"},
            ],
            "badges": [],
            "proof_url": "/credentials/?identity=NHI-0417",
            "proof_words": "Proof: 6 events",
            "freshness": at("15:46"),
        },
        "authority": {
            "headline": "Read invoices/*, write reports/*",
            "facts": [
                {
                    "label": "By",
                    "words": "Priya Raman, sponsor, Finance; DLG-311",
                    "kind": "exact",
                    "at": at("10:02", 4, 9),
                },
                {"label": "For", "words": "Finance: build quarterly reports"},
                {"label": "Until", "words": "in 9 days", "at": at("17:00", 3, 12)},
                {"label": "Possible", "words": "AWS allows 212 actions more", "kind": "waits"},
                {"label": "Ticket", "words": "", "kind": "no_evidence"},
            ],
            "badges": [],
            "proof_url": "/ledger/?q=DLG-311",
            "proof_words": "Proof: delegation, 1 attestation",
            "freshness": at("15:48"),
        },
        "behaviour": {
            "headline": "218 calls inside, 8 outside that authority today",
            "facts": [
                {
                    "label": "14:12",
                    "words": "read secret prod/db",
                    "kind": "exact",
                    "note": "outside",
                    "note_kind": "outside",
                },
                {"label": "14:15", "words": "read hr-records/salaries.csv", "kind": "exact"},
                {"label": "14:20", "words": "minted AKIA…ZB11", "kind": "key"},
                {"label": "14:18", "words": "listed hr-records", "kind": "inferred"},
                {"label": "15:00", "words": "4 calls from 198.51.100.77", "kind": "no_run"},
            ],
            "badges": [
                {"kind": "outside", "words": "5 findings", "url": "/findings/?identity=NHI-0417"}
            ],
            "proof_url": "/events/?identity=NHI-0417",
            "proof_words": "Proof: 226 events",
            "freshness": at("15:46"),
            "gap": "S3 silent 14:31–14:44 UTC",
        },
    }


def strip() -> Sample:
    """The same with the badges of the one-row strip."""
    found = answers()
    found["identity"] |= {
        "badges": [{"kind": "held_not_effective"}, "exact"],
        "note": "212 days old",
    }
    found["authority"] |= {"badges": ["exact"], "note": "for Finance, ends 3 Dec 17:00 UTC"}
    found["behaviour"]["badges"].append({"kind": "no_run", "words": "4 calls with no run"})
    return found


def finding(number: int, kind: str, what: str, clock: str, strength: str, **more: Any) -> Sample:
    return {
        "key": f"F-{number}",
        "url": f"/findings/F-{number}/",
        "kind_words": kind,
        "what": what,
        "at": at(clock),
        "count": 1,
        "strength": strength,
        "state": "open",
        "case_key": "CS-2044",
        "case_url": "/cases/CS-2044/",
        "identity": {"words": "report-agent", "url": "/identities/NHI-0417/"},
        "controls": ["ASI03"],
        **more,
    }


def findings() -> list[Sample]:
    return [
        finding(1, "Wrong resource", "read secret prod/db", "14:12:18", "exact"),
        finding(2, "Wrong resource", "read hr-records/salaries.csv", "14:15:30", "exact"),
        finding(3, "Wrong resource", "listed hr-records", "14:18:20", "inferred"),
        finding(4, "Left its task", "minted AKIA…ZB11", "14:20:30", "key"),
        finding(5, "No run behind it", "calls from 198.51.100.77", "15:00:33", "inferred", count=4),
    ]


def credentials() -> list[Sample]:
    return [
        {
            "key": "CRED-7", "url": "/credentials/CRED-7/", "short": "AKIA…QP7D", "kind": "access_key",
            "standing": True, "issued_at": at("09:14", 26, 4), "issued_by": "platform-admin",
            "expires_at": None, "state": "held", "last_at": at("15:02:05"),
            "revocation": revocation(119, "Hold key AKIA…QP7D", "confirmed"),
            "identity": {"words": "report-agent", "url": "/identities/NHI-0417/"},
        },
        {
            "key": "CRED-19", "url": "/credentials/CRED-19/", "short": "AKIA…ZB11", "kind": "access_key",
            "standing": True, "issued_at": at("14:20:30"), "issued_by": "svc-report-agent",
            "expires_at": None, "state": "revoked", "last_at": None, "identity": None,
            "revocation": revocation(118, "Delete key AKIA…ZB11", "effective"),
        },
        {
            "key": "CRED-20", "url": "/credentials/CRED-20/", "short": "ASIA…4T2M", "kind": "session_key",
            "standing": False, "issued_at": None, "issued_by": "", "expires_at": at("03:01", 25),
            "state": "active", "last_at": at("15:01:20"), "identity": None, "revocation": None,
        },
    ]  # fmt: skip


def waits() -> list[Sample]:
    def row(due: datetime, what: str, sub: str, silence: str, *signals: Any) -> Sample:
        key = sub.split(" ", maxsplit=1)[0]
        return {
            "key": key, "due_at": due, "what": what, "sub": sub, "url": f"/cases/{key}/",
            "seat": "identity owner", "silence": silence, "signals": list(signals),
            "items_left": 1, "of": 4, "state": "open", "seats": "Ines Moreau, Samuel Adeyemi",
        }  # fmt: skip

    return [
        row(
            at("13:38"),
            "Attest svc-tax-export",
            "CS-1998 · purpose and expiry",
            "narrowed to read, 13:38",
            "overdue",
        ),
        row(
            at("16:12"),
            "Say if you know the caller of AKIA…QP7D",
            "CS-2044 · incident, question 2",
            "escalates to Leila Haddad",
            {"kind": "outside", "words": "5"},
            "no_run",
        ),
        row(
            at("09:00", 25),
            "Decide AKIA…QP7D of report-agent",
            "CS-2038 · access review, 1 item left for you",
            "report-agent is suspended",
            "conflict",
        ),
        row(
            at("14:18", 25),
            "Did report-agent list hr-records?",
            "CS-2038 · inferred, so nothing was revoked",
            "asked again, then escalates",
            "inferred",
        ),
        row(
            at("15:00", 26),
            "Review etl-nightly",
            "CS-2031 · workload, 6 items, 2 narrow",
            "narrowed to what was used",
            {"kind": "waits", "words": "bulk keep: 4"},
        ),
        row(
            at("17:00", 27),
            "Review crm-sync",
            "CS-2029 · third-party integration, 12 items",
            "suspended",
            {"kind": "no_evidence", "words": "no evidence: 3"},
        ),
        row(
            at("17:00", 30),
            "Review support-copilot",
            "CS-2026 · AI agent, 9 items",
            "suspended",
            {"kind": "silent", "words": "source silent"},
        ),
        row(
            at("17:00", 3, 12),
            "Delegation of report-agent expires",
            "DLG-311 · renew, narrow or let it end",
            "it ends by itself",
            {"kind": "narrow", "words": "2 of 9 used"},
        ),
    ]
