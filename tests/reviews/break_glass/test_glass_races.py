"""Break-glass answered by several at once, on PostgreSQL: one outcome, given once, told once."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evidence.models import LedgerEntry
from identities.models import DelegationVersion, Grant
from identities.permissions import NotAllowed, NotPossible
from reviews.actions import cancel
from reviews.break_glass import answering, bypassing, ending, on_call, sweeping
from reviews.models import Case, Decision, Notice
from tests.evidence.sources.server import Answer, serving
from tests.reviews.conftest import NOW
from tests.reviews.test_races import together

from .conftest import MINUTE, Company, approve, asked, fresh, opened, read, tell_company

pytestmark = pytest.mark.django_db(transaction=True)
# The moment at which all of it is possible at once.
AT = NOW + 60 * MINUTE


def swept(now: Any) -> None:
    while sweeping.due_next(now=now):
        pass


def acts(company: Company, case: Case) -> dict[str, Callable[[], Any]]:
    """What can happen to a request that one team has signed, at its deadline or just before."""
    just = AT - MINUTE
    given: dict[str, Any] = {"case": case, "by": company.sven, "now": just}
    seen = read(case)
    return {
        "approve": partial(answering.approve, digest=seen, **given),
        "approve too": partial(answering.approve, digest=seen, **given | {"by": company.sara}),
        "deny": partial(answering.deny, reason="no", **given),
        "send back": partial(answering.send_back, reason="no", **given),
        "bypass": partial(
            bypassing.bypass,
            case=case,
            by=company.dana,
            now=just,
            reason="nobody is there",
            factor="totp",
        ),
        "take back": partial(cancel, case=case, by=company.dana, now=just, reason="solved"),
        "expire": partial(swept, AT),
    }


@pytest.mark.parametrize(
    "those",
    [
        ("approve", "deny", "send back", "expire"),
        ("approve", "approve too", "bypass", "deny"),
        ("bypass", "bypass", "take back", "expire"),
    ],
    ids=lambda one: "-".join(one).replace(" ", "_"),
)
def test_what_happens_at_one_instant_has_one_outcome(those: tuple[str, ...]) -> None:
    company = tell_company()
    case = asked(company)
    approve(case, company.pia)
    able = acts(company, case)
    together(*[able[name] for name in those])
    case = fresh(case)
    item = case.items.get()
    grants = list(Grant.objects.all())
    given = case.state == "carrying_out"
    assert (len(grants), case.state in ("carrying_out", "closed", "cancelled")) == (given, True)
    # Nothing is in force that was not given, and nothing is given that is not in force.
    standing = DelegationVersion.objects.filter(superseded_at=None, state="in_force")
    assert standing.count() == given
    assert not DelegationVersion.objects.filter(superseded_at=None, state="proposed").exists()
    expected = {"carrying_out": "approve", "closed": "deny", "cancelled": ""}[case.state]
    assert item.outcome == expected
    told = {
        "opened": Notice.objects.filter(occasion=f"{case.key} opened").exists(),
        "bypass": Notice.objects.filter(occasion=f"{case.key} bypass").exists(),
        "denied": Notice.objects.filter(occasion=f"{case.key} denied 0").exists(),
        "sent back": Notice.objects.filter(occasion=f"{case.key} sent back").exists(),
        "expired": Notice.objects.filter(occasion=f"{case.key} expired").exists(),
    }
    assert (told["opened"] + told["bypass"], told["denied"]) == (given, case.state == "closed")
    assert told["sent back"] + told["expired"] <= (case.state == "cancelled")


def test_a_form_sent_twice_asks_once() -> None:
    company = tell_company()
    results = together(*[partial(asked, company)] * 3)
    assert sum(isinstance(one, NotPossible) for one in results) == 2
    assert Case.objects.filter(door="break_glass").count() == 1


def test_the_last_two_signatures_at_once_open_it_once() -> None:
    company = tell_company()
    case = asked(company)
    seen = read(case)
    people = (company.pia, company.paul, company.sven, company.sara)
    together(*[partial(approve, case, who, digest=seen) for who in people])
    assert (fresh(case).state, Grant.objects.count()) == ("carrying_out", 1)
    assert Decision.objects.values("person").distinct().count() == Decision.objects.count()


def test_two_sweeps_and_two_stops_end_it_once() -> None:
    company = tell_company()
    case = opened(company)
    later = NOW + MINUTE
    results = together(
        partial(ending.cut_off, case=case, reason="stop", by=company.paul, now=later),
        partial(ending.give_back, case=case, by=company.dana, now=later),
        partial(swept, later),
        partial(swept, later),
    )
    lost = [one for one in results if isinstance(one, NotPossible | NotAllowed)]
    assert (len(lost), Grant.objects.get().ending_at is not None) == (1, True)


def test_several_workers_ask_each_rota_once_and_tell_the_others_once(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTA_TOKEN", "s3cret-token")
    settings.ALLOW_PRIVATE, settings.ON_CALL = True, str(tmp_path / "on-call.yaml")
    company = tell_company()
    oncalls = [
        {"schedule": {"id": "S"}, "user": {"name": "Sven"}, "start": None, "end": AT.isoformat()}
    ]
    with serving() as there:
        there.on("GET", "/oncalls", Answer(200, {"oncalls": oncalls, "more": False}))
        row = f"{{team: Security, pagerduty: S, token: 'env:ROTA_TOKEN', api: '{there.url}'}}"
        Path(settings.ON_CALL).write_text(f"rotas: [{row}]")
        together(*[partial(on_call.follow, now=NOW)] * 3)
        found = together(*[partial(on_call.read_next, now=NOW)] * 3)
        assert (sorted(map(str, found)), len(there.asked)) == (["False", "False", "True"], 1)
    case = asked(company)
    assert fresh(case).break_glass.others_at is not None
    together(*[partial(swept, NOW + 3 * MINUTE)] * 3)
    assert Notice.objects.filter(occasion=f"{case.key} asked", person__isnull=False).count() == 4
    assert LedgerEntry.objects.filter(act="break_glass.others_told").count() == 1
