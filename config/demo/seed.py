"""Puts the story into an empty installation, through the same doors as everything else.

Owns the order of things: people and identities, evidence of the quiet months, the signed
delegation, the open review, today's evidence, first answers. `now` is the story's 15:48:10.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from django.contrib.auth.models import Group

from config import pipeline
from config.demo import story
from config.demo.records import Evidence
from evidence import intake, ledger, verified
from evidence.models import Source
from identities.acting import COMMAND
from identities.actions import entitlements, identities, registration
from identities.models import Identity, SignInLink, User
from identities.models.people import GROUPS
from identities.register.reading import read
from reviews import actions, notices
from reviews.actions import modes
from reviews.models import Case, Heartbeat, Seat

# Who signs in with which link: the four roles of the road.
SIGN_INS = (
    ("ines", "IAM reviewer, identity owner", ("reviewer", "owner")),
    ("samuel", "AI-system owner", ("owner",)),
    ("leila", "responder", ("responder",)),
    ("aisha", "auditor: reads all, changes nothing", ("auditor",)),
)
OTHERS = (
    ("priya", ("owner",)),
    ("marek", ("owner", "reviewer")),
    ("elena", ("owner",)),
    ("jonas", ("administrator",)),
)
LINK_LIVES = timedelta(hours=24)

type Say = Callable[[str], None]


def logins() -> None:
    """Users without passwords: the demo signs in by link only."""
    for login in [*(one[0] for one in SIGN_INS), *(one[0] for one in OTHERS)]:
        user = User(username=login, email=f"{login}@example.com")
        user.set_unusable_password()
        user.save()


def people() -> None:
    """The groups, and everybody's place in them."""
    groups = {name: Group.objects.get_or_create(name=name)[0] for name in GROUPS}
    for login, _, names in SIGN_INS:
        User.objects.get(username=login).groups.set(groups[name] for name in names)
    for login, names in OTHERS:
        User.objects.get(username=login).groups.set(groups[name] for name in names)


def plant(keys: story.Keys, *, now: datetime, say: Say) -> None:
    """The whole story; about ten seconds."""
    say("People, services, identities …")
    text = Path(__file__).with_name("register.yaml").read_text("utf-8")
    begun = now - timedelta(days=story.ISSUED_DAYS + 2)
    # In the story Countersign was at work all along: silence has counted since it was told.
    Heartbeat.objects.create(since=begun, until=now)
    logins()
    registration.register(entries=read("register.yaml", text), by=COMMAND, now=begun, imported=True)
    people()
    trail = _source("finance-prod", "CloudTrail, account finance-prod", "identity", begun)
    traces = _source("agent-traces", "Agent traces, OTLP", "ai", begun)
    evidence = Evidence(seed=418)
    say("Evidence of the quiet months …")
    story.issuances(evidence, keys, now)
    story.history(evidence, keys, now)
    quiet = now - timedelta(hours=19)
    _take(evidence, trail, traces, quiet)
    pipeline.drain(quiet)
    for identity in Identity.objects.filter(state="draft", owner__isnull=False):
        identities.activate(identity=identity, by=COMMAND, now=begun)
    say("A delegation, asked for and signed by both seats …")
    agent = Identity.objects.get(name="report-agent")
    _delegate(agent, now)
    entitlements.read(identity=agent, now=now - timedelta(minutes=20))
    pipeline.drain(quiet + timedelta(minutes=1))
    say("A review, open since last week …")
    opened_at = now - timedelta(days=6, hours=6, minutes=48, seconds=10)
    case = actions.open_review(
        identity=agent,
        by=User.objects.get(username="marek"),
        now=opened_at,
        reason="Q4 AI identities: does report-agent still need all of this?",
    )
    # The time to decide counts from when the seats were told.
    while notices.send_next(now=opened_at):
        pass
    _answer(
        case,
        "delegation",
        "ai_owner",
        "samuel",
        "keep",
        clock=story.clock(now, 13, 58),
        reason="Reports are due in January; it needs both.",
    )
    _answer(
        case,
        "credential",
        "ai_owner",
        "samuel",
        "keep",
        clock=story.clock(now, 13, 59),
        reason="The key is how the agent runs.",
    )
    say("The first service whose findings ask somebody …")
    _ask(quiet)
    say("Today: the run that left its task, and the stranger …")
    story.today(evidence, keys, now)
    _take(evidence, trail, traces, now - timedelta(minutes=2))
    for source in (traces, trail):
        source.watermark, source.completeness = now - timedelta(minutes=1), "heartbeat"
        source.expected_every_seconds = 86_400
        source.save(update_fields=["watermark", "completeness", "expected_every_seconds"])
    pipeline.drain(now - timedelta(minutes=1))
    _answer(
        case,
        "delegation",
        "identity_owner",
        "ines",
        "narrow",
        clock=story.clock(now, 15, 12),
        reason="Only what it used: invoices and reports.",
        proposal={"actions": ["s3:GetObject"], "resources": ["invoices/*"]},
    )
    pipeline.drain(now)
    ledger.seal(now=now)
    verified.check(now=now)


def beside(*, now: datetime, say: Say) -> None:
    """A review of little risk, whose delegation is used as it was meant: what may be kept at once."""
    say("Another review, of an agent on which little hangs …")
    actions.open_review(
        identity=Identity.objects.get(name="invoice-agent"),
        by=User.objects.get(username="marek"),
        now=now,
        reason="Q4 AI identities: does invoice-agent still need all of this?",
    )


def _source(name: str, title: str, plane: str, now: datetime) -> Source:
    return Source.objects.create(
        name=name,
        title=title,
        plane=plane,
        lag_seconds=60,
        created_at=now,
        created_by=COMMAND.ref,
    )


def _take(evidence: Evidence, trail: Source, traces: Source, now: datetime) -> None:
    bodies = [(trail, "cloudtrail", evidence.cloudtrail())]
    bodies += [(traces, "otlp", body) for body in evidence.otlp()]
    for source, shape, body in bodies:
        taken = intake.take(
            source=source, body=body, by=f"source:{source.name}", now=now, format=shape
        )
        if taken.rejects:
            raise RuntimeError(f"the demo's own evidence was refused: {taken.reasons[0]}")


def _delegate(agent: Identity, now: datetime) -> None:
    asked_at = now - timedelta(days=story.GRANTED_DAYS, hours=6)
    ends_at = now + timedelta(days=9, hours=1, minutes=12)
    for number, (acts, where) in enumerate(
        ((["s3:GetObject", "s3:ListBucket"], ["invoices/*"]), (["s3:PutObject"], ["reports/*"]))
    ):
        at = asked_at + timedelta(minutes=10 * number)
        case = actions.request_access(
            identity=agent,
            wanted=actions.Wanted(
                actions=acts, resources=where, purpose="build quarterly reports", ends_at=ends_at
            ),
            by=User.objects.get(username="priya"),
            now=at,
            reason="Finance wants the quarterly reports built by the agent.",
        )
        for kind, login in (("identity_owner", "ines"), ("ai_owner", "samuel")):
            _answer(
                case,
                "grant",
                kind,
                login,
                "approve",
                clock=at + timedelta(minutes=4),
                reason="Reviewed with Finance; ends with the quarter.",
            )
        while actions.carry_out_next(now=at + timedelta(minutes=5)):
            pass


def _ask(now: datetime) -> None:
    """One person proposes it, another signs; everything else is only observed."""
    rule = modes.propose(
        scope={"services": ["quarterly-reporting"]},
        mode="ask",
        reason="Its owners are there, and its evidence is complete.",
        by=User.objects.get(username="ines"),
        now=now - timedelta(minutes=40),
    )
    modes.sign(rule=rule, by=User.objects.get(username="marek"), now=now)
    while modes.apply_next(now=now):
        pass


def _answer(
    case: Case,
    kind: str,
    seat: str,
    login: str,
    answer: str,
    *,
    clock: datetime,
    reason: str,
    proposal: dict[str, list[str]] | None = None,
) -> None:
    case.refresh_from_db()
    item = case.items.filter(kind=kind).order_by("position").first()
    if item is None:
        return
    actions.decide(
        case=case,
        item=item,
        seat=Seat.objects.get(case=case, kind=seat),
        answer=answer,
        reason=reason,
        by=User.objects.get(username=login),
        now=clock,
        version=case.version,
        proposal=proposal,
    )


def worth_a_look(base_url: str) -> list[tuple[str, str]]:
    """(what it is, link): where today's story has led to."""
    cases = Case.objects.filter(identity__name="report-agent", door="access_review", state="open")
    return [
        (
            "what a serious finding asks, within a day" if one.trigger else "the review beside it",
            f"{base_url}/cases/{one.key}/",
        )
        for one in cases.order_by("-trigger", "number")
    ]


def sign_in_links(base_url: str, *, now: datetime) -> list[tuple[str, str, str]]:
    """(name, role, link) for each of the four; each link works once."""
    links = []
    for login, role, _ in SIGN_INS:
        token = secrets.token_urlsafe(32)
        user = User.objects.get(username=login)
        SignInLink.objects.create(
            user=user,
            digest=sha256(token.encode()).digest(),
            expires_at=now + LINK_LIVES,
            demo=True,
        )
        links.append((user.called, role, f"{base_url}/sign-in/{token}/"))
    return links
