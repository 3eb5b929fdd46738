"""A person with a machine's credential: what is found, what explains it, and in any order."""

import gzip
import itertools
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence import intake
from evidence.formats.record import ActorName, Record
from evidence.models import Actor, Source
from evidence.vocabulary import AGENT_RUN, AUTHENTICATION, INFERRED, TOOL_CALL
from identities import judging
from identities.findings import clients
from identities.models import Finding, Identity
from reviews.pages import line_data
from reviews.pages.dossier import dossier
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE
from tests.evidence.test_links_by_key import AKIA, call, step
from tests.identities.chains import bind
from tests.identities.test_claimed_links import arrive, run, source
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge

pytestmark = pytest.mark.django_db
DATA = Path(os.environ.get("COUNTERSIGN_DATA") or Path(__file__).parents[3] / "shared" / "data")
RULE = "interactive_use"
USER = ActorName("aws:111122223333", "arn", "arn:aws:iam::111122223333:user/svc-invoicer")
MIA = ActorName("aws:111122223333", "arn", "arn:aws:iam::111122223333:user/mia")
TOM = ActorName("aws:111122223333", "arn", "arn:aws:iam::111122223333:user/tom")
ELSEWHERE = ActorName("aws:444455556666", "arn", "arn:aws:iam::444455556666:user/mia")
HOME, OFFICE = "10.0.0.1", "203.0.113.9"
BOTO = "Boto3/1.44.8 md/Botocore#1.44.8 ua/2.1 os/linux#6.18"
CLI = "aws-cli/2.13.0 Python/3.11.4 Linux/5.10 exe/x86_64.ubuntu.22 prompt/off"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0"
SECOND = 1_000_000
RUNS = " with no run behind them"
BESIDE = f"{AKIA.value} was used once from {OFFICE}, the same network as sign-ins of"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recording" in metafunc.fixturenames:
        folder = DATA.resolve() / "cloudtrail-invictus"
        metafunc.parametrize("recording", [folder] if folder.is_dir() else [])


@pytest.fixture
def invoicer(active: Make) -> Identity:
    """A machine's identity, linked to a user's account and to its agent."""
    trail = source("trail")
    traces = source("traces", plane="ai", watermark=LATER, completeness="declared")
    arrive(trail, by_agent(90, 1))
    arrive(traces, run(90, "invoicer", "R90-0"))
    identity: Identity = active("invoicer")
    for name in Actor.objects.filter(value__in=[USER.value, "invoicer"]):
        bind(identity, name)
    return identity


def by_hand(
    number: int = 1, user_agent: str = BROWSER, address: str = OFFICE, **said: Any
) -> list[Record]:
    """A call with the machine's key."""
    return [
        call(number, at=BASE + number * SECOND, principal=USER, address=address,
             user_agent=user_agent, request_id=f"H{number}", realm="aws:111122223333", **said)
    ]  # fmt: skip


def by_agent(number: int, many: int, user_agent: str = BOTO, address: str = HOME) -> list[Record]:
    """So many calls whose request ids a run states."""
    return [
        call(10_000 + 100 * number + place, at=BASE + number * MINUTE, principal=USER,
             address=address, user_agent=user_agent, request_id=f"R{number}-{place}",
             realm="aws:111122223333")
        for place in range(many)
    ]  # fmt: skip


def sign_in(who: ActorName = MIA, address: str = OFFICE) -> list[Record]:
    number = 70_000 + sum(who.value.encode())
    return [
        call(number, at=BASE - MINUTE, principal=who, credential=None, address=address,
             action="signin:ConsoleLogin", activity=AUTHENTICATION, realm=who.realm)
    ]  # fmt: skip


def known_agent(user_agent: str = BOTO, address: str = HOME, many: int = 20) -> list[Any]:
    """Of which 20 calls are linked exactly."""
    names = [f"R2-{place}" for place in range(many)]
    return [
        ("trail", by_agent(2, many, user_agent, address)),
        ("traces", run(2, "invoicer", *names)),
    ]


def tell(*parts: Any) -> None:
    for name, records in parts:
        arrive(Source.objects.get(name=name), records)


def found() -> list[tuple[str | None, int, int, str]]:
    rows = Finding.objects.filter(rule=RULE, state__in=["open", "confirmed"]).order_by("number")
    return [
        (one.identity.name if one.identity else None, one.count, one.strength, one.words)
        for one in rows
    ]


@pytest.mark.parametrize(
    ("user_agent", "name", "in_itself"),
    [
        (BROWSER, "a web browser", True),
        ("[Mozilla/5.0 (Macintosh) AppleWebKit/537.36 (KHTML, like Gecko)]", "a web browser", True),
        ("signin.amazonaws.com", "the AWS console", True),
        ("console.ec2.amazonaws.com", "the AWS console", True),
        ("[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12.488]", "the AWS console", True),
        ("RDS Console, aws-internal/3 aws-sdk-java/1.11.975", "the AWS console", True),
        ("aws-cli/2.13.0 Python/3.11.4 exec-env/CloudShell", "AWS CloudShell", True),
        ("aws-cli/2.31.0 md/prompt#on", "the AWS CLI's prompt", True),
        (CLI, "the AWS CLI", False),
        ("google-cloud-sdk gcloud/400 interactive/True from-script/False",
         "the gcloud CLI at a terminal", True),
        ("google-cloud-sdk gcloud/400 interactive/True from-script/True", "the gcloud CLI", False),
        ("AZURECLI/2.50.0 (DEB) cloud-shell/1.0", "Azure Cloud Shell", True),
        ("kubectl/v1.30.0 (linux/amd64) kubernetes/7c48c2b", "kubectl", False),
        ("k9s/v0.32", "k9s", True),
        ("psql", "psql", False),
        ("pgAdmin 4 - CONN:1", "a database client with windows", True),
        ("curl/8.5.0", "curl", False),
        ("Mozilla/5.0 (Windows NT; en-US) WindowsPowerShell/5.1", "PowerShell", False),
        ("Mozilla/5.0 (compatible; Googlebot/2.1) Gecko", None, None),
        (BOTO, None, None), ("AWS Internal", None, None), ("cloudformation.amazonaws.com", None, None),
        ("", None, None),
    ],
)  # fmt: skip
def test_clients_of_people_are_known_by_their_user_agent(
    user_agent: str, name: str | None, in_itself: bool | None
) -> None:
    assert clients.client(user_agent) == (name and clients.Client(name, in_itself or False))


def test_call_with_a_browser_and_without_a_run_is_found_of_the_identity(
    invoicer: Identity,
) -> None:
    tell(("trail", by_hand(1) + by_hand(2)), ("trail", by_hand(3)))
    assert found() == [
        ("invoicer", 3, INFERRED, f"{AKIA.value} was used 3 times with a web browser from {OFFICE}{RUNS}")
    ]  # fmt: skip
    one = Finding.objects.get(rule=RULE)
    assert one.controls == ["ASI03", "NHI10"]
    assert one.details["grounds"] == [
        "no run behind it",
        "interactive client: a web browser",
        "fewer than 20 calls of its agent are linked to runs",
    ]


def test_another_address_or_day_is_another_finding(invoicer: Identity) -> None:
    tell(("trail", by_hand(1) + by_hand(2, address=HOME) + by_hand(86_400)))
    assert [count for _, count, _, _ in found()] == [1, 1, 1]


@pytest.mark.usefixtures("invoicer")
def test_run_that_comes_later_takes_it_back() -> None:
    tell(("trail", by_hand(1)))
    assert len(found()) == 1
    tell(("traces", run(1, "invoicer", "H1")))
    assert found() == []
    one = Finding.objects.get(rule=RULE)
    assert (one.state, one.count) == ("withdrawn", 0)


@pytest.mark.usefixtures("invoicer")
@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)], ids=str
)
def test_tool_of_scripts_counts_beside_what_is_known_of_the_agent(order: tuple[int, ...]) -> None:
    parts = [("trail", by_hand(1, CLI)), *known_agent()]
    tell(*(parts[place] for place in order))
    assert [words for _, _, _, words in found()] == [
        f"{AKIA.value} was used once with the AWS CLI from {OFFICE} with no run behind it"
    ]
    assert Finding.objects.get(rule=RULE).details["grounds"][-1] == (
        "outside what 20 calls of its agent show, linked to runs (exact)"
    )


@pytest.mark.usefixtures("invoicer")
def test_tool_that_the_agent_uses_itself_is_no_persons() -> None:
    tell(*known_agent(many=10), ("trail", by_hand(1, CLI)))
    assert found() == []  # too little is known
    tell(("trail", by_agent(3, 20, CLI)))
    tell(("traces", run(3, "invoicer", *[f"R3-{place}" for place in range(20)])))
    assert found() == []


@pytest.mark.usefixtures("invoicer")
def test_browser_that_the_agent_turns_out_to_use_is_taken_back() -> None:
    tell(("trail", by_hand(1)))
    assert len(found()) == 1
    tell(*known_agent(BROWSER))
    assert found() == []


@pytest.mark.usefixtures("invoicer")
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_network_of_people_names_who_signs_in_there_and_not_who_did_it(
    order: tuple[int, ...],
) -> None:
    parts = [[("trail", by_hand(1, BOTO))], known_agent(), [("trail", sign_in())]]
    tell(*(part for place in order for part in parts[place]))
    assert [words for _, _, _, words in found()] == [f"{BESIDE} {MIA.value}, with no run behind it"]
    tell(("trail", sign_in(TOM)))
    assert found()[0][3] == f"{BESIDE} 2 people, with no run behind it"


@pytest.mark.usefixtures("invoicer")
@pytest.mark.parametrize(
    ("parts", "said"),
    [
        # Nothing is known of the agent: that people sign in there is no ground.
        ([("trail", sign_in())], "its own network is not known"),
        # Its agent calls from there as well.
        ([("trail", sign_in()), *known_agent(address=OFFICE)], "the agent's network"),
        ([("trail", sign_in(ELSEWHERE)), *known_agent()], "people of another account"),
        ([("trail", sign_in(USER)), *known_agent()], "the machine signed in itself"),
        ([("trail", sign_in(address=HOME)), *known_agent()], "people somewhere else"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_network_alone_is_no_ground(parts: list[Any], said: str) -> None:
    assert said
    tell(("trail", by_hand(1, BOTO)), *parts)
    assert [one for one in found() if "network" in one[3]] == []


@pytest.mark.usefixtures("invoicer")
def test_person_whom_the_record_names_is_named() -> None:
    named = ActorName("aws:111122223333", "user", "mia@example.com")
    tell(("trail", by_hand(1, on_behalf=named)))
    one = Finding.objects.get(rule=RULE)
    assert one.details["acts_for"] == "mia@example.com"
    assert one.family.startswith(f"{AKIA.value} mia@example.com 20")


def test_account_of_a_person_or_of_nobody_is_left_alone(active: Make) -> None:
    source("trail")
    source("traces", plane="ai")
    tell(("trail", by_hand(1)))
    assert found() == []
    person = active("mia", kind="human")
    bind(person, Actor.objects.get(value=USER.value))
    judging.again(identities=[person], now=LATER)
    judging.judge_all(now=LATER)
    assert found() == []


def test_shared_account_is_nobodys_alone(invoicer: Identity, active: Make) -> None:
    user = Actor.objects.get(value=USER.value)
    invoicer.bindings.update(shared=True)
    bind(active("other"), user, shared=True)
    tell(("trail", by_hand(1)))
    assert [name for name, _, _, _ in found()] == [None]


def test_it_is_found_where_all_links_are_inferred(active: Make) -> None:
    """Of an agent without an instrumented SDK, whose tools were called 25 times."""
    trail, traces = source("trail"), source("traces", plane="ai")
    agent = ActorName("otel:traces", "agent", "invoicer")
    calls: list[Record] = []
    spans: list[Record] = []
    for number in range(25):
        at = BASE + number * MINUTE
        said = {"at": at, "credential": None, "agent": agent, "duration": 2 * SECOND}
        trace = 500 + number
        spans += [
            step(3000 + 2 * number, trace, activity=AGENT_RUN, action="invoke_agent", **said),
            step(3001 + 2 * number, trace, activity=TOOL_CALL, action="get_object",
                 parent_span_id=(3000 + 2 * number).to_bytes(8), **said),
        ]  # fmt: skip
        calls.append(
            call(20_000 + number, at=at + SECOND, principal=USER, address=HOME, user_agent=BOTO,
                 realm="aws:111122223333")
        )  # fmt: skip
    arrive(trail, calls)
    arrive(traces, spans)
    identity = active("invoicer")
    bind(identity, Actor.objects.get(value=USER.value))
    judging.again(identities=[identity], now=LATER)
    judge()
    assert found() == []
    # One of them while a tool ran, which makes it look like the run's.
    tell(("trail", by_hand(1, CLI) + by_hand(2)))
    assert [(name, count, words) for name, count, _, words in found()] == [
        ("invoicer", 2,
         f"{AKIA.value} was used 2 times with a web browser and the AWS CLI from {OFFICE}{RUNS}")
    ]  # fmt: skip
    one = Finding.objects.get(rule=RULE)
    assert one.details["grounds"][-1] == (
        "outside what 24 calls of its agent show, linked to runs (inferred)"
    )
    said = line_data.as_data(dossier(identity, now=LATER))["what_behaviour"]["findings"]
    assert [row["words"] for row in said if row["rule"] == RULE] == [one.words]


def test_recorded_use_of_a_users_keys_in_the_console_is_found(
    recording: Path, active: Make
) -> None:
    trail = source("trail")
    for path in sorted(recording.glob("*.json.gz")):
        body = gzip.decompress(path.read_bytes())
        if b"user/benjamin" in body:
            records = [
                one
                for one in orjson.loads(body)["Records"]
                if str(one["userIdentity"].get("arn")).endswith("user/benjamin")
            ]
            body = orjson.dumps({"Records": records})
            assert intake.take(source=trail, body=body, by="command", now=NOW).rejects == 0
    judge()
    identity = active("benjamin")
    bind(identity, Actor.objects.get(value__endswith=":user/benjamin", kind="arn"))
    judging.again(identities=[identity], now=LATER)
    judge()
    rows = Finding.objects.filter(rule=RULE, state="open")
    console = {(one.details["address"], *one.details["clients"], one.count) for one in rows}
    assert console == {
        ("10.248.16.43", "the AWS console", 34),
        ("10.248.16.43", "a web browser", 1),
        ("10.107.112.14", "the AWS console", 1),
    }
