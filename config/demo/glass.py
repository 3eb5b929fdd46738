"""Break-glass in the demo: three bundles that two people signed, and a night on which nobody answered.

Owns what can be asked for and the use that waits for its look back; all of it goes through the
product's own doors, and was given and taken away again at the demo's own account.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from config import pipeline
from config.demo import aws, story
from config.demo.records import Evidence
from evidence import intake
from evidence.models import Source
from identities.acting import COMMAND
from identities.actions import grants, identities, registration
from identities.models import Grant, Identity, User
from identities.register.reading import read
from reviews.break_glass import asking, bundles, bypassing, sweeping
from reviews.models import Case

SIGNED_DAYS = 40
MINUTE = timedelta(minutes=1)
ASKED_AGO = timedelta(hours=7, minutes=22)
ETL, ETL_USER = "nightly-etl", "svc-nightly-etl"
BROKEN = ("etl/30/0.parquet", "etl/30/1.parquet", "etl/30/2.parquet", "etl/30/3.parquet")
INVOICES, REPORTS = "arn:aws:s3:::invoices", "arn:aws:s3:::reports"
SECRET = f"arn:aws:secretsmanager:{aws.REGION}:{aws.ACCOUNT}:secret:prod/db-*"


def documents(etl: str) -> dict[str, dict[str, Any]]:
    """Slug -> what the bundle says; `etl`: the key of the identity that the loads run as."""
    target = {"system": "aws", "account": aws.ACCOUNT}
    sessions = target | {"kind": "role_sessions", "name": aws.BREAK_GLASS_ROLE}
    return {
        "finance-read": {
            "words": "Read finance's invoices and reports",
            "target": sessions,
            "actions": ["s3:GetObject", "s3:ListBucket"],
            "resources": [INVOICES, f"{INVOICES}/*", REPORTS, f"{REPORTS}/*"],
            "quorum": {"any_of": [{"role": "reviewer"}, {"team": "Security", "n": 1}]},
            "patience_minutes": 2,
            "cap_minutes": 60,
            "cap_after_bypass_minutes": 15,
            "ticket": {"how": "promised", "hours": 24},
        },
        "secret-replace": {
            "words": "Replace the secret prod/db that an agent has read",
            "target": sessions,
            "actions": [
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
                "secretsmanager:PutSecretValue",
            ],
            "resources": [SECRET],
            "who": {"roles": ["responder"]},
            "quorum": {"all_of": [{"role": "reviewer"}, {"team": "Platform", "n": 1}]},
            "patience_minutes": 3,
            "cap_minutes": 120,
            "cap_after_bypass_minutes": 30,
            "reason": {"least": 20, "fields": ["impact"]},
            "deny": ["secretsmanager:DeleteSecret"],
        },
        "load-repair": {
            "words": "Remove broken files of the nightly loads",
            "target": target | {"kind": "user", "name": ETL_USER},
            "actions": ["s3:DeleteObject", "s3:ListBucket"],
            "resources": [REPORTS, f"{REPORTS}/etl/*"],
            "holder": etl,
            "who": {"teams": ["Platform"]},
            "quorum": {"team": "Security", "n": 1},
            "patience_minutes": 5,
            "cap_minutes": 60,
            "cap_after_bypass_minutes": 15,
            "drill_every_days": 90,
        },
    }


def plant(keys: story.Keys, *, now: datetime, say: Callable[[str], None]) -> None:
    """The bundles, and last night's use; story and wave have to be told already."""
    say("Break-glass: what can be asked for, and a night on which nobody answered …")
    begun = now - timedelta(days=SIGNED_DAYS)
    text = Path(__file__).with_name("glass.yaml").read_text("utf-8")
    entries = read("glass.yaml", text)
    registration.register(entries=entries, by=COMMAND, now=begun)
    for one in Identity.objects.filter(name__in=[row.name for row in entries.identities]):
        identities.activate(identity=one, by=COMMAND, now=begun)
    marek, jonas = (User.objects.get(username=one) for one in ("marek", "jonas"))
    etl = Identity.objects.get(name=ETL)
    for slug, said in documents(etl.key).items():
        row = bundles.propose(
            slug=slug,
            text=json.dumps(said),
            reason="agreed with Security after the drill in spring",
            by=marek,
            now=begun,
        )
        bundles.sign(bundle=row, by=jonas, now=begun + timedelta(hours=3))
    _night(keys, jonas, now - ASKED_AGO)
    pipeline.drain(now)


def _night(keys: story.Keys, jonas: User, asked_at: datetime) -> None:
    """Asked at night, opened alone when nobody answered, used, and over on time."""
    case = asking.ask(
        wanted=asking.Wanted(
            slug="load-repair",
            minutes=45,
            reason="The nightly load stopped half-way, and what it wrote breaks the morning's reports.",
        ),
        by=jonas,
        now=asked_at,
    )
    # His login has no second factor, so it is the dearer way: later, and shorter.
    opened_at = case.break_glass.alone_at + MINUTE
    bypassing.bypass(
        case=case, reason="the morning's reports are built in an hour", by=jonas, now=opened_at
    )
    while grants.grant_next(now=opened_at):
        pass
    evidence = Evidence(seed=419)
    for number, key in enumerate(BROKEN):
        evidence.call(
            at=opened_at + (3 + 2 * number) * MINUTE,
            user=ETL_USER,
            key=keys.etl,
            action="s3:DeleteObject",
            request={"bucketName": "reports", "key": key},
            address="10.0.8.4",
        )
    taken = intake.take(
        source=Source.objects.get(name="finance-prod"),
        body=evidence.cloudtrail(),
        by="source:finance-prod",
        now=opened_at + 12 * MINUTE,
        format="cloudtrail",
    )
    if taken.rejects:
        raise RuntimeError(f"the demo's own evidence was refused: {taken.reasons[0]}")
    pipeline.drain(opened_at + 13 * MINUTE)
    over = Grant.objects.get(case=case.pk).ends_at
    while grants.grant_next(now=over):
        pass
    while sweeping.due_next(now=over + MINUTE):
        pass


def worth_a_look(base_url: str) -> list[tuple[str, str]]:
    """(what it is, link): asking for access, and the use that nobody has looked back at."""
    found = [("access in a minute, signed by whoever is on call", f"{base_url}/break-glass/new/")]
    waits = Case.objects.filter(door="break_glass", state="in_review").order_by("number").first()
    if waits is not None:
        link = f"{base_url}/break-glass/{waits.key}/"
        found.append(("what was opened alone last night: look back at it", link))
    return found
