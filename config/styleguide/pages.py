"""Sample contexts of the front page, the queue, identities, the line and the case."""

from datetime import date
from typing import Any

from config.styleguide import samples
from config.styleguide.samples import NOW, at, revocation
from reviews.pages import chain as chains

type Sample = dict[str, Any]


def front() -> Sample:
    def kpi(
        title: str, value: str, change: str, better: bool, goal: float, rows: str, *points: float
    ) -> Sample:
        return {
            "title": title, "value": value, "unit": "%", "goal": f"{goal:g} %", "goal_at": goal, "label": title,
            "change": {"points": change, "way": 1 if better else -1, "since": "30 d"}, "points": [*points],
            "part": rows.partition(" of ")[0], "whole": rows.partition(" of ")[2], "lacking": "74 missing",
            "part_url": "/identities/?x=1", "whole_url": "/identities/?x=2", "lacking_url": "/identities/?x=3",
        }  # fmt: skip

    return {
        "today": date(2026, 11, 24),
        "lead": [
            {"words": "8 things wait for you.", "url": "/queue/"},
            {"words": "1 is overdue.", "url": "/queue/?due=passed"},
            {"words": "3 revocations are not effective yet.", "url": "/revocations/"},
        ],
        "first_url": "/cases/CS-1998/",
        "tabs": [
            {"words": "All", "n": 8, "url": "?", "on": True},
            {"words": "As owner", "n": 5, "url": "?as=owner"},
            {"words": "As reviewer", "n": 3, "url": "?as=reviewer"},
        ],
        "waits": samples.waits(),
        "burning": [
            {
                "title": "Revocations requested, not effective", "icon": "ban", "n": 3, "url": "/cases/",
                "rows": [
                    {"words": "Rotate prod/db", "sub": "REV-121, no enforcer, Data Platform", "state": "requested", "when_words": "requested 1 h 23 min ago"},
                    {"words": "Deny old sessions, svc-report-agent", "sub": "REV-120, looked at every 30 s", "state": "sent", "when": at("15:46:31")},
                    {"words": "Hold AKIA…QP7D", "sub": "REV-119, session lives to 25 Nov 03:01 UTC", "state": "confirmed", "when": at("15:21"), "url": "/credentials/CRED-7/"},
                ],
            },
            {
                "title": "Deadlines passed", "icon": "clock", "n": 2,
                "rows": [
                    {"words": "svc-tax-export, attestation", "sub": "silence: narrowed to read at 13:38 UTC", "when_words": "2 h 10 min over"},
                    {"words": "gha-release-signer, owner left", "sub": "silence: now with Marek Novák", "when_words": "6 h 48 min over"},
                ],
            },
            {
                "title": "Silent sources and gaps", "icon": "plug-connected", "n": 2, "url": "/sources/",
                "rows": [
                    {"words": "Langfuse, Support copilot", "sub": "expects a push every 5 min", "when_words": "silent 41 min"},
                    {"words": "S3 data events, finance-prod", "sub": "gap 14:31–14:44 UTC, back-fill page 3 of ~5", "share": 58, "when_words": "about 2 min left"},
                ],
            },
        ],
        "aligned": [
            kpi("Both seats filled", "84.8", "3.1 pt", True, 95, "412 of 486 identities", 78, 79, 80, 81, 81.7, 82, 83, 84, 84.8),
            kpi("Linked to a run", "91.6", "1.4 pt", True, 95, "1.21 M of 1.32 M events", 86, 88, 88, 89, 90, 90, 91, 91, 91.6),
            kpi("Issuance seen", "73.0", "6.2 pt", True, 90, "1,018 of 1,395 credentials", 61, 64, 66, 66, 67, 70, 72, 73),
            kpi("Purpose and end stated", "88.3", "0.6 pt", False, 100, "604 of 684 delegations", 86, 87, 88, 89, 88.9, 88.3),
            kpi("Decided before deadline", "94.1", "0.9 pt", True, 98, "271 of 288 decisions", 92, 93, 92.4, 93.5, 94.1),
            kpi("Effective within 15 min", "78.4", "4.0 pt", False, 95, "40 of 51 revocations", 76, 80, 83, 82, 80, 78.4),
        ],
        "aligned_lines": True,
        "aligned_at": at("15:45"),
        "systems": systems(),
        "systems_total": 23,
        "setup": {
            "done": 6, "of": 8,
            "rows": [
                {"words": "Prove a restore: the ledger must verify", "url": "/ledger/", "done": False},
                {"words": "Name a fallback for 3 seats with no backup", "url": "/identities/", "done": False},
                {"words": "Connect an identity source", "done": True},
                {"words": "Connect an AI trace source", "done": True},
                {"words": "Give one enforcer write access", "done": True},
            ],
        },
    }  # fmt: skip


def systems() -> list[Sample]:
    def row(
        name: str,
        owner: str,
        identities: int,
        seats: int,
        linked: int | None,
        findings: int,
        cases: int,
        **more: Any,
    ) -> Sample:
        return {
            "name": name, "url": "/identities/?service=x", "owner": owner, "owner_missing": not owner,
            "identities": identities, "seats_share": seats, "linked_share": linked, "findings": findings,
            "findings_url": "/findings/", "cases": cases, "cases_url": "/cases/", "purpose": "build quarterly reports",
            "criticality": "high", **more,
        }  # fmt: skip

    return [
        row("Support copilot", "Elena Fischer", 14, 64, None, 2, 1, no_evidence_since=at("15:07")),
        row("Quarterly reporting", "Samuel Adeyemi", 6, 83, 98, 6, 3),
        row("Invoice OCR", "Samuel Adeyemi", 9, 78, 92, 1, 0),
        row("Code review", "", 21, 0, 88, 0, 2),
    ]


def queue() -> Sample:
    return {
        "lead": "The earliest deadline first.",
        "tabs": front()["tabs"],
        "q": "",
        "waits": samples.waits(),
        "page": {"first": 1, "last": 8, "total": 8},
    }


def identities() -> Sample:
    def row(key: str, name: str, kind: str, **more: Any) -> Sample:
        return {
            "key": key, "name": name, "url": f"/identities/{key}/", "kind": kind, "service": "Quarterly reporting",
            "service_url": "/ai-systems/", "owner": "Ines Moreau", "state": "active", "mode": "observe",
            "credentials": 2, "inside": 218, "outside": 0, "findings": 0, "findings_url": "/findings/",
            "last_at": at("15:02:05"), **more,
        }  # fmt: skip

    return {
        "q": "",
        "filters": [
            {"name": "kind", "words": "Kind", "options": [{"value": "", "words": "all"}, {"value": "agent", "words": "AI agent"}]},
            {"name": "state", "words": "State", "options": [{"value": "", "words": "all"}, {"value": "active", "words": "active", "on": True}]},
        ],
        "rows": [
            row("NHI-0417", "report-agent", "agent", outside=8, findings=5),
            row("NHI-0418", "etl-nightly", "workload", credentials=1, service="", service_url=""),
            row("NHI-0419", "crm-sync", "integration", last_at=None, inside=None, outside=None, state="suspended"),
            row("NHI-0420", "gha-release-signer", "service_account", owner="", owner_missing=True, state="draft"),
        ],
        "page": {"first": 1, "last": 4, "total": 486, "next_url": "?page=2"},
        "total": 486,
    }  # fmt: skip


def line() -> Sample:
    return {
        "identity": {
            "key": "NHI-0417", "name": "report-agent", "kind": "agent", "state": "active", "mode": "ask",
            "service": {"words": "Quarterly reporting", "url": "/ai-systems/"},
            "badges": [{"kind": "outside", "words": "5 findings, 3 open cases", "url": "/findings/?identity=NHI-0417"}],
        },
        "answers": samples.answers(),
        "chain": chains.layout(chain()),
        "lanes": {"url": "/styleguide/lanes.json", "count": 240, "events_url": "/events/?identity=NHI-0417", "table": samples.events()},
        "as_of": {"at": NOW, "live": True, "prev_url": "?at=2026-11-24T15:21:00Z", "next_url": "?at=later", "live_url": "?"},
        "acts": [
            {"words": "Freeze a capsule", "url": "/identities/NHI-0417/freeze/", "icon": "archive"},
            {"words": "Open a case", "url": "/identities/NHI-0417/open-review/", "icon": "flame", "primary": True},
        ],
        "findings": samples.findings(),
        "findings_url": "/findings/?identity=NHI-0417&state=all",
        "findings_closed": 1,
        "permissions": [
            {"action": "s3:GetObject", "resource": "invoices/*", "delegated": "yes", "possible": "yes", "first_at": at("08:00", 29, 9), "last_at": at("14:09"), "count": 1284, "count_url": "/events/", "evidence_to": at("15:45"), "gap": True},
            {"action": "s3:PutObject", "resource": "reports/*", "delegated": "yes", "possible": "yes", "first_at": at("08:00", 1, 10), "last_at": at("14:24"), "count": 12, "evidence_to": at("15:45"), "gap": True},
            {"action": "secretsmanager:GetSecretValue", "resource": "prod/db", "delegated": "no", "possible": "yes", "first_at": at("14:12"), "last_at": at("14:12"), "count": 1, "evidence_to": at("15:46")},
            {"action": "iam:CreateAccessKey", "resource": "", "delegated": "no", "possible": "unknown", "first_at": at("14:20"), "last_at": at("14:20"), "count": 1, "evidence_to": at("15:46")},
            {"action": "s3:GetObjectVersion", "resource": "invoices/*", "delegated": "unsigned", "possible": "no", "first_at": None, "last_at": None, "count": None, "evidence_to": None},
        ],
        "permissions_url": "/events/?identity=NHI-0417",
        "possible_words": "AWS allows 212 actions more than were delegated.",
        "delegations": [
            {"key": "DLG-311", "words": "Read invoices/*, write reports/*", "grantor": "Priya Raman", "state": "in_force", "signed": True, "from": at("10:02", 4, 9), "until": at("17:00", 3, 12), "case_key": "CS-1702", "case_url": "/cases/CS-1702/"},
            {"key": "DLG-207", "words": "Write reports/*", "grantor": "", "state": "in_force", "signed": False, "from": at("09:14", 26, 4), "until": None},
        ],
        "credentials": samples.credentials(),
        "runs": [{"key": "RUN-8841", "url": "/runs/RUN-8841/", "agent": "report-agent", "first_at": at("14:02:05"), "last_at": at("14:26:42"), "spans": 412, "outside": 4}],
        "cases": [
            {"key": "CS-2044", "url": "/cases/CS-2044/", "door": "incident", "what": "Key used with no run behind it", "signals": [{"kind": "held_not_effective", "words": "3 of 4 revocations not effective"}], "who": "closer: Leila Haddad", "due_words": "contain by 16:12 UTC"},
            {"key": "CS-2038", "url": "/cases/CS-2038/", "door": "access_review", "what": "Q4 AI identities: 4 items", "signals": ["conflict"], "who": "Ines Moreau, Samuel Adeyemi", "due_at": at("09:00", 25)},
            {"key": "CS-2045", "url": "/cases/CS-2045/", "door": "break_glass", "what": "Contain svc-report-agent, 60 min", "signals": ["bypass"], "who": "Daniel Cho", "due_words": "ends 16:25 UTC"},
        ],
        "gaps": ["S3 data events silent 14:31–14:44 UTC"],
        "fresh": [{"name": "finance-prod", "at": at("15:46")}],
    }  # fmt: skip


def chain() -> Sample:
    def one(key: str, name: str, note: str = "", **more: Any) -> Sample:
        return {"id": key, "name": name, "note": note, "url": "/identities/NHI-0417/", **more}

    def edge(start: str, end: str, kind: str = "inside", words: str = "") -> Sample:
        return {"from": start, "to": end, "kind": kind, "words": words}

    return {
        "grantors": [one("priya", "Priya Raman", "sponsor, granted DLG-311"), one("admin", "platform-admin", "Jonas Weber, issued key")],
        "owners": [one("samuel", "Samuel Adeyemi", "AI-system owner"), one("ines", "Ines Moreau", "identity owner")],
        "agents": [one("agent", "report-agent", "Quarterly reporting · 1 run"), one("who", "Nobody known", "198.51.100.77 · no run", unknown=True)],
        "credentials": [one("key", "AKIA…QP7D", "standing · 212 d · held", state="inside"), one("key2", "AKIA…ZB11", "issued 14:20 · revoked", state="outside")],
        "actions": [
            one("a1", "GetObject invoices/*", n=215, verdict="inside"), one("a2", "PutObject reports/*", n=3, verdict="inside"),
            one("a3", "GetSecretValue prod/db", n=1, verdict="outside"), one("a4", "GetObject hr-records/*", n=2, verdict="outside"),
            one("a5", "CreateAccessKey (self)", n=1, verdict="outside"), one("a6", "sts, s3, secrets: no run", n=4, verdict="no_run"),
        ],
        "edges": [
            edge("priya", "samuel"), edge("samuel", "agent"), edge("agent", "key"), edge("admin", "ines"),
            edge("ines", "key", words="issued 26 Apr"), edge("who", "key", "no_run"), edge("key", "key2", "outside", "minted itself"),
        ],
    }  # fmt: skip


def case() -> Sample:
    def item(number: int, kind: str, title: str, note: str, **more: Any) -> Sample:
        return {
            "id": f"i{number}",
            "url": f"?item=i{number}",
            "kind": kind,
            "title": title,
            "note": note,
            **more,
        }

    return {
        "case": {"key": "CS-2038", "door": "access_review", "title": "Access review: report-agent", "state": "open", "opened_at": at("09:00", 17), "deadline_at": at("09:00", 25), "version": 7},
        "identity": {"key": "NHI-0417", "name": "report-agent", "url": "/identities/NHI-0417/"},
        "badges": ["joint", {"kind": "conflict", "words": "1 conflict"}],
        "answers": samples.strip(),
        "deadline": {
            "at": at("09:00", 25), "sentence": "If nobody decides by 25 Nov 2026 09:00 UTC: report-agent is suspended.",
            "opened_at": at("09:00", 17), "share": 91,
            "ticks": [
                {"at": at("09:00", 22), "share": 62, "words": "reminded 22 and 24 Nov", "kind": "reminder"},
                {"at": at("03:00", 25), "share": 97, "words": "goes to Leila Haddad 25 Nov 03:00 UTC", "kind": "escalation"},
            ],
        },
        "seats": [
            {"words": "identity owner", "who": {"name": "Ines Moreau", "you": True}, "side": "identity", "note": "Owns the identity. Backup owner: Marek Novák.", "answered": 3, "of": 4, "may_not": [{"name": "Jonas Weber", "why": "issued AKIA…QP7D"}, {"name": "report-agent", "why": "is the subject"}]},
            {"words": "AI-system owner", "who": {"name": "Samuel Adeyemi"}, "side": "ai", "note": "Owns Quarterly reporting. Backup owner: Elena Fischer.", "answered": 3, "of": 4, "stale": 1, "may_not": [{"name": "Priya Raman", "why": "granted DLG-311"}, {"name": "Ines Moreau", "why": "already sits in the other seat"}]},
        ],
        "items": [
            item(1, "delegation", "Delegation DLG-311", "ends 3 Dec 17:00 UTC", usage="2 of 9 used", usage_note="last 14:24 UTC", usage_share=22, findings=0, recommendation="narrow", recommendation_reason="6 not seen in 81 d, 1 has no evidence", answers=[{"kind": "narrow", "at": at("15:12")}, {"kind": "keep", "at": at("14:58")}], outcome={"kind": "conflict", "note": "to Leila Haddad"}),
            item(2, "credential", "Credential AKIA…QP7D", "standing, 212 d old", on=True, usage="1,304 calls", usage_url="/events/", usage_note="last 15:02 UTC", findings=5, findings_url="/findings/", recommendation="revoke", recommendation_reason="used with no run; minted a key", answers=[{"kind": "your_turn"}, {"kind": "keep", "note": "before 4 new events"}], outcome={"kind": "waits", "note": "for you"}),
            item(3, "credential", "Credential AKIA…ZB11", "minted by itself 14:20", usage="0 calls seen", usage_note="evidence complete", findings=1, findings_url="/findings/", recommendation="revoke", recommendation_reason="issued outside authority", answers=[{"kind": "revoke", "at": at("15:13")}, {"kind": "revoke", "at": at("15:30")}], outcome={"kind": "revoke", "note": "agreed, REV-118 effective"}),
            item(4, "binding", "Binding, observed", "to svc-report-agent", usage="226 events today", usage_note="222 have a run", findings=0, recommendation="keep", recommendation_reason="222 of 226 calls have a run", answers=[{"kind": "keep", "at": at("15:14")}, {}], outcome={"kind": "waits", "note": "for Samuel"}),
        ],
        "item": {
            "id": "i2", "title": "Credential AKIA…QP7D", "kind": "credential", "evidence": samples.events(), "evidence_count": 240,
            "evidence_url": "/events/?credential=CRED-7", "missing": "S3 data events were silent 14:31–14:44 UTC. Calls then would not be seen, so nothing says they did not happen.",
            "capsule": {"key": "CAP-77", "digest": "4be1c0…90aa", "sealed_at": at("15:41"), "url": "/ledger/?q=CAP-77"},
            "delegated": ["read invoices/*", "write reports/*"], "possible": None, "used": ["s3:GetObject invoices/*", "secretsmanager:GetSecretValue prod/db"],
        },
        "decision": {
            "seat_words": "identity owner", "seat_id": "s1", "position": 2, "of": 4, "action_url": "/cases/CS-2038/decide/", "reauth": True,
            "options": [
                {"value": "keep", "words": "Keep", "note": "the key becomes active again"}, {"value": "narrow", "words": "Narrow", "note": "from known addresses only"},
                {"value": "revoke", "words": "Revoke", "note": "delete the key at AWS"}, {"value": "dont_know", "words": "Don't know", "note": "goes to Leila Haddad now"},
            ],
            "reason": "Used from 198.51.100.77 with no run behind it. Agent must move to a short-lived role.",
            "proposal_fields": True, "dry_run_at": at("15:48"),
            "dry_runs": {"revoke": [
                {"kind": "outside", "words": "report-agent cannot run. Next run: 1 Dec 06:00 UTC"}, {"kind": "inside", "words": "Nothing else used this key in 90 days", "url": "/events/"},
                {"kind": "waits", "words": "Session ASIA…4T2M lives until 25 Nov 03:01 UTC unless REV-120 is effective"}, {"kind": "undo", "words": "Can be undone until 22:21 UTC (held)"},
            ]},
            "conflict": "This will conflict with Samuel's keep. He is asked again with the 4 new events. If he does not change it, Leila Haddad decides.",
        },
        "revocations": [revocation(119, "Hold key AKIA…QP7D", "confirmed", residual=[{"what": "session ASIA…4T2M", "until": "25 Nov 03:01 UTC"}]), revocation(118, "Delete key AKIA…ZB11", "effective"), revocation(121, "Rotate prod/db", "failed", failed_why="no enforcer may rotate secrets.", who_must_act="Data Platform")],
        "entries": [
            {"at": at("15:41"), "by": "Ines Moreau", "words": "sealed capsule CAP-77, 240 events", "number": 184302}, {"at": at("15:30"), "by": "Samuel Adeyemi", "words": "answered revoke on AKIA…ZB11", "number": 184300},
            {"at": at("15:21"), "by": "Countersign", "words": "held AKIA…QP7D, for CS-2044", "number": 184298}, {"at": at("15:14"), "by": "Ines Moreau", "words": "answered keep on the binding", "number": 184295},
            {"at": at("14:58"), "by": "Samuel Adeyemi", "words": "answered keep on 2 items, evidence opened: 1 of 6", "number": None},
        ],
        "entries_ok": True,
        "entries_url": "/ledger/?q=CS-2038",
        "earlier": [
            {"at": at("09:00", 2, 9), "case_key": "CS-1702", "case_url": "/cases/CS-1702/", "answer": "keep", "item": "Credential AKIA…QP7D", "reason": "Needed for Q3. Move to a role.", "who": "Ines Moreau, Samuel Adeyemi"},
            {"at": at("09:00", 4, 6), "case_key": "CS-1411", "case_url": "/cases/CS-1411/", "answer": "narrow", "item": "Delegation DLG-207", "reason": "Write to reports only.", "who": "Jonas Weber, Samuel Adeyemi"},
        ],
        "acts": [{"words": "Cancel", "url": "/cases/CS-2038/cancel/", "ask": "Why is it cancelled?"}, {"words": "Close", "url": "/cases/CS-2038/close/", "why_not": "Close: 6 things missing"}],
    }  # fmt: skip
