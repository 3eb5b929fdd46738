"""The rung that replaces who is silent: nobody gets two seats, and who comes next is tried."""

import pytest

from evidence.models import LedgerEntry
from identities.models import Identity, Service
from reviews import actions
from reviews.models import Case

from .conftest import Told, party, seat_of
from .test_rungs import at, everything_until, opened, told

pytestmark = pytest.mark.django_db
LADDER = [("replace", 200)]


def seats(case: Case) -> dict[str, tuple[str, str]]:
    kinds = ("identity_owner", "ai_owner", "tie_breaker")
    rows = {kind: seat_of(case, kind) for kind in kinds}
    return {kind: (str(one.party), str(one.backup)) for kind, one in rows.items()}


def climbed(story: Told) -> Case:
    case = opened(story, LADDER)
    everything_until(at(200.1))
    case.refresh_from_db()
    return case


def test_one_backup_of_both_takes_one_seat_and_the_sponsor_the_other(story: Told) -> None:
    Service.objects.update(backup=party(story.marek), sponsor=party(story.leila))
    story.identity = Identity.objects.select_related("service").get()
    case = climbed(story)
    assert seats(case) == {
        "identity_owner": ("Marek", "Ines"),
        "ai_owner": ("Leila", "Samuel"),
        "tie_breaker": ("None", "None"),
    }
    entry = LedgerEntry.objects.get(act="case.rung", data__does="replace")
    assert entry.words == (
        f"The backups take over in {case.key}: Marek in place of Ines; Leila in place of Samuel"
    )
    assert told(case, f"in place {at(200).isoformat()}") == ["Leila", "Marek"]
    # Each may sign where they sit now.
    version = Case.objects.get(pk=case.pk).version
    for user, kind in ((story.marek, "identity_owner"), (story.leila, "ai_owner")):
        item = case.items.get(kind="credential")
        actions.decide(
            case=case, item=item, seat=seat_of(case, kind), answer="revoke", reason="because",
            by=user, now=at(201), version=version,
        )  # fmt: skip
        version = Case.objects.get(pk=case.pk).version


def test_a_seat_that_nobody_else_may_take_stays_and_it_is_said(story: Told) -> None:
    Service.objects.update(backup=party(story.marek))
    story.identity = Identity.objects.select_related("service").get()
    case = climbed(story)
    assert seats(case)["ai_owner"][0] == "Samuel"
    entry = LedgerEntry.objects.get(act="case.rung", data__does="replace")
    assert entry.words.endswith("Marek in place of Ines; nobody can for Samuel")
