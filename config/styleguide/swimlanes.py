"""Sample swim lanes: the story, or any number of events, in the shape that lanes.js reads.

Owns the sample of that contract; the product's own lanes come from reviews/pages.
"""

from typing import Any

from config.styleguide.samples import NOW, at, micros

type Lanes = dict[str, Any]

LANES = (
    ("iam", "identity", "IAM and STS", "evidence to 15:46"),
    ("secrets", "identity", "Secrets Manager", "evidence to 15:46"),
    ("s3", "identity", "S3 data events", "silent 14:31–14:44"),
    ("tools", "ai", "Tool calls", "report-agent"),
    ("models", "ai", "Model calls", "complete to 15:47"),
    ("runs", "ai", "Agent run", ""),
)
MOST_ROWS = 20_000


def us(clock: str, day: int = 24, month: int = 11) -> int:
    return micros(at(clock, day, month))


def drawn(count: int, variant: str, window: tuple[str | None, str | None]) -> Lanes:
    """The lanes of the story; `count` events instead when it is not 0; none for "empty"."""
    lanes = _frame()
    if variant == "empty":
        return lanes
    if count:
        return lanes | _many(count, window)
    events, links = _story()
    return lanes | {"events": events, "links": links, "total": len(events)}


def _frame() -> Lanes:
    lanes: list[Lanes] = [
        {"id": key, "group": group, "title": title, "note": note, "gaps": []}
        for key, group, title, note in LANES
    ]
    lanes[2]["gaps"] = [[us("14:31"), us("14:44"), "source silent"]]
    marks = [
        ("14:12:18", "finding", "read secret prod/db", "1"),
        ("14:15:30", "finding", "read salaries.csv", "2"),
        ("14:18:20", "finding", "listed hr-records", "3"),
        ("14:20:30", "finding", "minted a key", "4"),
        ("14:22:00", "issuance", "AKIA…ZB11 issued", ""),
        ("14:58:00", "decision", "Samuel: keep", ""),
        ("15:00:33", "no_run", "4 calls", "5"),
        ("15:06:00", "case", "CS-2044", ""),
        ("15:21:00", "revocation", "both keys", ""),
    ]
    return {
        "from": us("14:00"),
        "to": us("15:28"),
        "now": micros(NOW),
        "lanes": lanes,
        "events": [],
        "links": [],
        "marks": [
            {"at": us(clock), "kind": kind, "label": label, "n": n, "href": "/findings/F-1/"}
            for clock, kind, label, n in marks
        ],
        "absent": [[us("14:29"), us("15:26"), "no run in this time: traces are complete"]],
        "life": {
            "from": us("00:00", 21, 4),
            "to": us("00:00", 3, 12),
            "credentials": [
                {"from": us("09:14", 26, 4), "to": None, "label": "AKIA…QP7D issued 26 Apr by platform-admin", "state": "held"}
            ],
            "delegations": [
                {"from": us("09:14", 26, 4), "to": us("10:02", 4, 9), "label": "DLG-207 26 Apr – 4 Sep"},
                {"from": us("10:02", 4, 9), "to": us("17:00", 3, 12), "label": "DLG-311 starts 4 Sep, expires 3 Dec"},
            ],
            "density": [
                [us("00:00", day, month), us("00:00", day, month) + 2 * 86_400_000_000, count, outside]
                for day, month, count, outside in (
                    (8, 5, 40, 0), (3, 6, 30, 0), (27, 6, 60, 0), (6, 8, 35, 0), (28, 9, 90, 0), (23, 10, 40, 0), (23, 11, 226, 8),
                )
            ],
        },
        "bins": None,
        "total": 0,
    }  # fmt: skip


def _story() -> tuple[list[list[Any]], list[list[Any]]]:
    events: list[list[Any]] = []
    links: list[list[Any]] = []

    def add(
        clock: str,
        lane: int,
        kind: int,
        severity: int,
        label: str,
        duration: int = 0,
        n: int = 1,
        shift: int = 0,
    ) -> int:
        moment = us(clock) + shift
        events.append(
            [moment, duration, lane, kind, severity, label, f"{moment}-{len(events) + 1}", n]
        )
        return len(events) - 1

    def link(
        clock: str, tool: str, api: str, lane: int, severity: int, strength: int, proof: str
    ) -> None:
        cause = add(clock, 3, 7, 3, tool, 900_000)
        effect = add(clock, lane, 3, severity, api, shift=187_000)
        links.append([cause, effect, strength, proof, f"L-{5500 + len(links)}"])

    link(
        "14:03:10",
        "list_invoices",
        "ListBucket invoices",
        2,
        0,
        3,
        "same request id 7ab1…04 in span and log record",
    )
    for step in range(107):
        cause = add("14:04:00", 3, 7, 3, "read_invoice", 800_000, shift=step * 3_000_000)
        effect = add("14:04:00", 2, 3, 0, "GetObject invoices/*", shift=step * 3_000_000 + 120_000)
        links.append(
            [cause, effect, 3, "same request id in span and log record", f"L-{5500 + len(links)}"]
        )
    link(
        "14:12:18",
        "get_secret",
        "GetSecretValue prod/db",
        1,
        1,
        3,
        "same request id 9f2c…e1 in span and log record",
    )
    link(
        "14:15:30",
        "read_file",
        "GetObject hr-records/salaries.csv",
        2,
        1,
        3,
        "same request id 41d0…9c in span and log record",
    )
    link(
        "14:18:20",
        "list_files",
        "ListBucket hr-records",
        2,
        1,
        1,
        "tool and action match within 2 s, score 0.71",
    )
    link("14:20:30", "create_key", "CreateAccessKey AKIA…ZB11", 0, 1, 2, "same role session")
    link(
        "14:24:02",
        "write_report",
        "PutObject reports/2026-q3.pdf",
        2,
        0,
        3,
        "same request id c07e…3a in span and log record",
    )
    for clock, action in (
        ("15:00:33", "GetCallerIdentity"),
        ("15:00:41", "ListBuckets"),
        ("15:01:20", "GetSessionToken"),
        ("15:02:05", "ListSecrets"),
    ):
        add(clock, 0, 3, 2, f"{action}, 198.51.100.77")
    for clock in (
        "14:02:20",
        "14:09:40",
        "14:12:00",
        "14:15:00",
        "14:18:00",
        "14:21:30",
        "14:24:40",
    ):
        add(clock, 4, 8, 3, "model call", 60_000_000)
    add("14:02:05", 5, 6, 3, "RUN-8841 · 24 min 37 s · completed", 1_477_000_000)
    add("15:21:00", 0, 5, 0, "2 × UpdateAccessKey")
    return events, links


def _many(count: int, window: tuple[str | None, str | None]) -> Lanes:
    start, length = us("14:00"), 88 * 60_000_000
    step = max(1, length // count)
    given = [int(one) for one in window if one and one.isdigit()]
    low, high = given if len(given) == 2 else (start, start + length)
    first, last = max(0, (low - start) // step), min(count, (high - start) // step + 1)
    inside = last - first
    if inside > MOST_ROWS:
        wide = (high - low) / 160
        bins = [
            [
                round(low + n * wide),
                round(low + (n + 1) * wide),
                lane,
                1 + (n * 7 + lane * 13) % 90,
                3 if (n + lane) % 37 == 0 else 0,
            ]
            for n in range(160)
            for lane in range(5)
        ]
        return {"bins": bins, "total": count}
    events = [
        [
            start + n * step,
            400_000 if n % 5 > 2 else 0,
            n % 5,
            3,
            1 if n % 97 == 0 else 0 if n % 5 < 3 else 3,
            f"Action{n % 12}",
            f"{start + n * step}-{n + 1}",
            1,
        ]
        for n in range(first, last)
    ]
    return {"events": events, "total": count}
