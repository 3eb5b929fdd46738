"""What happened: the story of docs' pictures, with all times relative to one moment.

One agent, report-agent, read invoices and wrote reports for 81 days; today it read a secret and
HR records and made itself a second key; then somebody else used its key. 218 calls inside, 4
outside, 4 with no run behind them: 226 today, 1,304 by the key in all.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from config.demo.records import Evidence

AGENT_USER, AGENT, AGENT_SERVICE = "svc-report-agent", "report-agent", "quarterly-reporting"
ISSUED_DAYS, GRANTED_DAYS = 212, 81
HISTORY_READS, HISTORY_WRITES, HISTORY_RUNS = 1_069, 9, 12
TODAY_READS, TODAY_WRITES = 215, 3
STRANGER = "198.51.100.77"


class Keys(NamedTuple):
    """Access key ids by their role in the story; real ones of the demo's AWS account."""

    agent: str
    minted: str
    invoice: str
    support: str
    etl: str
    admin: str = "AKIAPLATFORMADMIN000"


def clock(now: datetime, hour: int, minute: int, second: int = 0) -> datetime:
    """A time of the story's day, whose end (15:48:10) is now."""
    end = timedelta(hours=15, minutes=48, seconds=10)
    return now - end + timedelta(hours=hour, minutes=minute, seconds=second)


def issuances(evidence: Evidence, keys: Keys, now: datetime) -> None:
    """The keys are made by platform-admin, long ago."""
    for user, key, days in (
        (AGENT_USER, keys.agent, ISSUED_DAYS),
        ("svc-invoice-agent", keys.invoice, 150),
        ("svc-support-agent", keys.support, 120),
        ("svc-nightly-etl", keys.etl, 300),
    ):
        evidence.call(
            at=now - timedelta(days=days, hours=6, minutes=34),
            user="platform-admin",
            key=keys.admin,
            action="iam:CreateAccessKey",
            request={"userName": user},
            response={"accessKey": {"accessKeyId": key, "userName": user, "status": "Active"}},
            address="203.0.113.5",
        )


def history(evidence: Evidence, keys: Keys, now: datetime) -> None:
    """Eighty-one quiet days: runs of report-agent, invoice-agent and support-copilot, and an ETL."""
    reads = _shares(HISTORY_READS, HISTORY_RUNS)
    for number in range(HISTORY_RUNS):
        start = now - timedelta(days=GRANTED_DAYS - 3 - 6 * number, hours=2)
        _report_run(
            evidence,
            keys.agent,
            start,
            reads[number],
            1 if number < HISTORY_WRITES else 0,
            timedelta(seconds=4),
        )
    for day in range(1, 31):
        at = now - timedelta(days=day, hours=5)
        _plain_run(
            evidence,
            "invoice-agent",
            "invoice-ocr",
            "svc-invoice-agent",
            keys.invoice,
            at,
            8,
            "invoices",
            "read_invoice",
        )
        if day % 3 == 0:
            _plain_run(
                evidence,
                "support-copilot",
                "support-copilot",
                "svc-support-agent",
                keys.support,
                at + timedelta(hours=1),
                5,
                "reports",
                "lookup_report",
            )
        for step in range(4):
            evidence.call(
                at=at + timedelta(hours=9, minutes=step),
                user="svc-nightly-etl",
                key=keys.etl,
                action="s3:GetObject" if step % 2 else "s3:PutObject",
                request={"bucketName": "reports", "key": f"etl/{day}/{step}.parquet"},
                address="10.0.8.4",
            )


def today(evidence: Evidence, keys: Keys, now: datetime) -> bytes:
    """The run that left its task, and the stranger; returns the run's trace id."""
    trace = evidence.dice.randbytes(16)
    root = evidence.dice.randbytes(8)
    start = clock(now, 14, 2, 10)
    tools = _Tools(evidence, keys.agent, trace, root)
    for number in range(TODAY_READS - 1):
        at = clock(now, 14, 4) + timedelta(seconds=1.4 * number)
        tools.call(
            "read_invoice",
            "s3:GetObject",
            at,
            {"bucketName": "invoices", "key": f"2026/inv-{number}.json"},
        )
    for number, at in enumerate((clock(now, 14, 9, 30), clock(now, 14, 17), clock(now, 14, 24))):
        tools.call(
            "write_report",
            "s3:PutObject",
            at,
            {"bucketName": "reports", "key": f"2026-q{number + 1}.pdf"},
        )
    tools.call(
        "get_secret",
        "secretsmanager:GetSecretValue",
        clock(now, 14, 12, 18),
        {"secretId": "prod/db"},
    )
    tools.call(
        "read_invoice",
        "s3:GetObject",
        clock(now, 14, 13, 40),
        {"bucketName": "invoices", "key": "2026/summary.json"},
    )
    tools.call(
        "read_file",
        "s3:GetObject",
        clock(now, 14, 15, 30),
        {"bucketName": "hr-records", "key": "salaries.csv"},
    )
    tools.call("list_files", "s3:ListObjects", clock(now, 14, 18, 20), {"bucketName": "hr-records"})
    tools.call(
        "make_key",
        "iam:CreateAccessKey",
        clock(now, 14, 20, 30),
        {"userName": AGENT_USER},
        {"accessKey": {"accessKeyId": keys.minted, "userName": AGENT_USER, "status": "Active"}},
    )
    for minute in (3, 8, 11, 14, 19, 22, 25):
        evidence.span(
            service=AGENT_SERVICE,
            trace=trace,
            parent=root,
            name="chat model-large",
            at=clock(now, 14, minute, 5),
            seconds=6,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "model-large",
                "gen_ai.agent.name": AGENT,
            },
        )
    evidence.span(
        service=AGENT_SERVICE,
        trace=trace,
        parent=b"",
        span_id=root,
        name=f"invoke_agent {AGENT}",
        at=start,
        seconds=1_477,
        attributes={
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": AGENT,
            "gen_ai.conversation.id": "q3-report",
        },
    )
    for action, request, at, error in (
        ("sts:GetCallerIdentity", {}, clock(now, 15, 0, 33), ""),
        ("s3:ListBuckets", {}, clock(now, 15, 0, 41), ""),
        ("sts:GetSessionToken", {"durationSeconds": 43_200}, clock(now, 15, 1, 20), "AccessDenied"),
        ("secretsmanager:ListSecrets", {}, clock(now, 15, 2, 5), "AccessDenied"),
    ):
        evidence.call(
            at=at,
            user=AGENT_USER,
            key=keys.agent,
            action=action,
            request=dict(request),
            address=STRANGER,
            error=error,
        )
    # Somebody's experiment that nobody has registered yet.
    _plain_run(
        evidence,
        "triage-agent",
        "ticket-triage",
        "svc-support-agent",
        keys.support,
        clock(now, 13, 10),
        6,
        "reports",
        "lookup_report",
    )
    return trace


class _Tools:
    """Tool calls of one run: tool span, SDK span under it, and the CloudTrail record."""

    def __init__(
        self,
        evidence: Evidence,
        key: str,
        trace: bytes,
        root: bytes,
        agent: str = AGENT,
        service: str = AGENT_SERVICE,
        user: str = AGENT_USER,
    ) -> None:
        self.evidence, self.key, self.trace, self.root = evidence, key, trace, root
        self.agent, self.service, self.user = agent, service, user

    def call(
        self,
        tool: str,
        action: str,
        at: datetime,
        request: dict[str, object],
        response: dict[str, object] | None = None,
    ) -> None:
        span = self.evidence.span(
            service=self.service,
            trace=self.trace,
            parent=self.root,
            name=f"execute_tool {tool}",
            at=at,
            seconds=0.6,
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": tool,
                "gen_ai.agent.name": self.agent,
            },
        )
        called = at + timedelta(milliseconds=187)
        request_id = self.evidence.call(
            at=called,
            user=self.user,
            key=self.key,
            action=action,
            request=dict(request),
            response=response,
        )
        names = {"s3": "S3", "secretsmanager": "Secrets Manager", "iam": "IAM", "sts": "STS"}
        service, _, operation = action.partition(":")
        self.evidence.span(
            service=self.service,
            trace=self.trace,
            parent=span,
            name=f"{names[service]}.{operation}",
            at=called,
            seconds=0.2,
            attributes={
                "rpc.system": "aws-api",
                "rpc.service": names[service],
                "rpc.method": operation,
                "aws.request_id": request_id,
            },
        )


def _report_run(
    evidence: Evidence, key: str, start: datetime, reads: int, writes: int, step: timedelta
) -> None:
    trace, root = evidence.dice.randbytes(16), evidence.dice.randbytes(8)
    tools = _Tools(evidence, key, trace, root)
    at = start + timedelta(seconds=20)
    for number in range(reads):
        tools.call(
            "read_invoice",
            "s3:GetObject",
            at + step * number,
            {"bucketName": "invoices", "key": f"2026/inv-{number}.json"},
        )
    for number in range(writes):
        tools.call(
            "write_report",
            "s3:PutObject",
            at + step * (reads + 5 + number),
            {"bucketName": "reports", "key": f"weekly-{start:%j}-{number}.pdf"},
        )
    evidence.span(
        service=AGENT_SERVICE,
        trace=trace,
        parent=b"",
        span_id=root,
        name=f"invoke_agent {AGENT}",
        at=start,
        seconds=(step * (reads + 10)).total_seconds() + 30,
        attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": AGENT},
    )


def _plain_run(
    evidence: Evidence,
    agent: str,
    service: str,
    user: str,
    key: str,
    start: datetime,
    reads: int,
    bucket: str,
    tool: str,
) -> None:
    trace, root = evidence.dice.randbytes(16), evidence.dice.randbytes(8)
    tools = _Tools(evidence, key, trace, root, agent, service, user)
    for number in range(reads):
        tools.call(
            tool,
            "s3:GetObject",
            start + timedelta(seconds=3 * number + 2),
            {"bucketName": bucket, "key": f"2026/{agent}-{number}.json"},
        )
    evidence.span(
        service=service,
        trace=trace,
        parent=b"",
        span_id=root,
        name=f"invoke_agent {agent}",
        at=start,
        seconds=3 * reads + 6,
        attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent},
    )


def _shares(total: int, parts: int) -> list[int]:
    return [total // parts + (1 if number < total % parts else 0) for number in range(parts)]
