"""What nobody owns, and a claim wave about it that has run for eleven days: the demo's second account.

Owns its users with their tags and what people have answered so far; all of it goes through the
register, the reading of lists, the sweep and the acts of the wave. The account is needed while it
is read, and ended then: its lists are paused.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from config.demo import aws
from evidence import connecting, permissions
from evidence.formats.record import ActorName
from evidence.models import Source
from evidence.sources import connector_secrets
from identities.acting import COMMAND
from identities.actions import registration
from identities.claims import answering, asking, carrying, counting, proposing, questioning
from identities.inventory import asking as lists
from identities.inventory import following, reading
from identities.models import Party, User
from identities.register.entries import ActorEntry, IdentityEntry
from identities.register.reading import read

ACCOUNT = "210987654321"
SOURCE = "commerce-prod"
BEGUN_DAYS = 12
OFTEN = timedelta(minutes=1)

type Tags = dict[str, str]

PAYMENTS, CARE = {"Team": "payments"}, {"Team": "customer care"}
# One cost centre of two services, and of what is left of a third that nobody remembers.
LAKE, NIGHT = {"Team": "platform", "CostCenter": "4711"}, {"Owner": "jonas", "CostCenter": "4711"}
LEFT = {"git_repo": "acme/batch-jobs", "CostCenter": "4711"}
SAMUEL = {"Owner": "samuel.adeyemi@example.com"}
# user: (the service that the spreadsheet says, its tags in the account)
USERS: dict[str, tuple[str, Tags]] = {
    **{f"checkout-{one}": ("checkout", PAYMENTS) for one in ("api", "worker", "refunds", "ledger")},
    "checkout-retry": ("", {"cmdb-id": "CI-1042", **PAYMENTS}),
    "checkout-mailer": ("checkout", {"Owner": "elena.fischer@example.com"}),
    "checkout-export": ("checkout", {}),
    **{f"portal-{one}": ("customer-portal", CARE) for one in ("web", "search", "chat", "uploads")},
    "portal-sessions": ("customer-portal", {"CreatedBy": "jonas"}),
    **{f"lake-{one}": ("data-lake", LAKE) for one in ("ingest", "compact", "catalogue", "export")},
    "lake-sandbox": ("data-lake", PAYMENTS),
    **{f"night-{one}": ("nightly-batch", NIGHT) for one in ("rates", "invoices", "archive")},
    **{f"job-{one}": ("", LEFT) for one in ("4a", "4b", "7", "9-old")},
    **{f"forecast-{one}": ("forecasting", SAMUEL) for one in ("trainer", "planner", "writer")},
}
# Made since the spreadsheet: the lists of today show them, and they are nobody's.
NEW_USERS: dict[str, Tags] = {
    "checkout-canary": PAYMENTS,
    "checkout-shadow": {"cmdb-id": "CI-1042"},
    "job-12": LEFT,
}


def plant(*, now: datetime, say: Callable[[str], None]) -> None:
    """The wave up to now; the story has to be told already."""
    say("What nobody owns, and who was asked about it …")
    begun = now - timedelta(days=BEGUN_DAYS)
    account = aws.start(account=ACCOUNT)
    try:
        iam = account.clients().iam
        _make(iam, {name: tags for name, (_, tags) in USERS.items()})
        _register(begun)
        source = _connected(account, begun)
        _look(source, begun)
        _answers(now)
        _make(iam, NEW_USERS)
        _look(source, now)
    finally:
        account.end()
    asking.ask_next(now=now)
    counting.count(now=now)
    lists.plan(source=source, by=permissions.COMMAND, now=now, paused=True)


def _make(iam: Any, users: dict[str, Tags]) -> None:
    for name, tags in users.items():
        iam.create_user(
            UserName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        )


def _register(begun: datetime) -> None:
    """The spreadsheet: names, kinds and services, and nobody who answers for them."""
    text = Path(__file__).with_name("wave.yaml").read_text("utf-8")
    entries = read("wave.yaml", text)
    entries.identities = [
        IdentityEntry(
            path=f"identities[{place}]",
            name=name,
            said={"kind": "agent" if service == "forecasting" else "service_account"},
            parties={},
            service=service or None,
            expires=None,
            actors=(ActorEntry(f"identities[{place}].actors[0]", _actor(name), shared=False),),
        )
        for place, (name, (service, _)) in enumerate(USERS.items())
    ]
    registration.register(entries=entries, by=COMMAND, now=begun, imported=True)


def _actor(user: str) -> ActorName:
    return ActorName(f"aws:{ACCOUNT}", "arn", f"arn:aws:iam::{ACCOUNT}:user/{user}")


def _connected(account: aws.Demo, begun: datetime) -> Source:
    """A source whose log nobody asks for here, and whose lists are read."""
    source = Source.objects.create(
        name=SOURCE,
        title="Lists of the account commerce-prod",
        plane="identity",
        created_at=begun,
        created_by=COMMAND.ref,
    )
    secret = f"{SOURCE}-secret"
    connector_secrets.forget(secret)  # of the account that an earlier demo made
    connector_secrets.keep(secret, account.administrator.secret_access_key, [account.endpoint])
    connecting.connect(
        source=source,
        connector="cloudtrail_lookup",
        settings={
            "regions": "us-east-1",
            "endpoint": account.endpoint,
            "access_key_id": account.administrator.access_key_id,
            "secret_access_key": secret,
        },
        by=permissions.COMMAND,
        now=begun,
    )
    connecting.pause(source=source, paused=True, by=permissions.COMMAND, now=begun)
    return source


def _look(source: Source, now: datetime) -> None:
    """The lists as they are, what they say of owners, and the day's counts."""
    row = lists.read_now(source=source, by=permissions.COMMAND, now=now)
    while reading.run_next(clock=lambda: now, source=source):
        pass
    row.refresh_from_db()
    if row.state != "done":
        raise RuntimeError(f"the demo's lists could not be read: {row.problem or row.parts}")
    following.hand_on(now=now)
    while proposing.look_next(now=now):
        pass
    counting.count(now=now)


def _answers(now: datetime) -> None:
    """Eleven days of the wave, counted each day, up to yesterday."""
    marek, elena, jonas = (User.objects.get(username=one) for one in ("marek", "elena", "jonas"))
    care = Party.objects.get(team__name="Customer care")
    platform = Party.objects.get(team__name="Platform")

    def ours(party: Party, bundle: str, by: User, out: tuple[str, ...] = ()) -> Callable[..., Any]:
        return lambda at: answering.yes(
            party=party, bundle=bundle, by=by, now=at, except_for=_claims(party, bundle, out)
        )

    days: dict[int, Callable[[datetime], Any]] = {
        11: lambda at: asking.start(
            terms=asking.Terms(), reason="the audit asks who answers for these", by=marek, now=at
        ),
        6: ours(platform, "service:data-lake", jonas, ("lake-sandbox",)),
        4: lambda at: answering.not_mine(
            party=care,
            bundle="service:customer-portal",
            by=elena,
            now=at,
            reason="We answer its chats, we do not run it.",
            ask="team:Payments",
        ),
        2: ours(platform, "service:nightly-batch", jonas),
    }
    for ago in range(BEGUN_DAYS - 1, 0, -1):
        at = now - timedelta(days=ago)
        if ago in days:
            days[ago](at)
        at += OFTEN
        while carrying.carry_next(now=at):
            pass
        while proposing.look_next(now=at):
            pass
        asking.ask_next(now=at)
        counting.count(now=at)


def _claims(party: Party, bundle: str, names: tuple[str, ...]) -> list[Any]:
    rows = questioning.question(party=party, bundle=bundle, subjects=True)
    return [row.pk for row in rows if row.identity is not None and row.identity.name in names]
