"""The demo's claim wave: what nobody owns, told through the product's own doors."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from config.demo import returning, seed, wave
from evidence.models import Source
from identities.acting import COMMAND
from identities.actions import registration
from identities.claims import asking, counting, questioning, suggesting
from identities.models import Claim, ClaimAnswer, Identity, Party, User
from identities.register.reading import read

pytestmark = pytest.mark.django_db


@pytest.fixture
def company(settings: Any, tmp_path: Path) -> None:
    """The people of the story, before anything is asked."""
    settings.VAR, settings.ALLOW_PRIVATE = str(tmp_path), True
    returning.probe_folder().mkdir(parents=True)
    seed.logins()
    text = Path(seed.__file__).with_name("register.yaml").read_text("utf-8")
    begun = timezone.now() - timedelta(days=60)
    registration.register(entries=read("register.yaml", text), by=COMMAND, now=begun)
    seed.people()


def asked(party: Party) -> dict[str, tuple[int, int]]:
    """What lies before a party: things, and those of which other evidence names somebody else."""
    return {one.about: (one.n, one.doubts) for one in questioning.asked_of([party.pk])}


def test_a_new_user_meets_every_part_of_the_wave(company: None) -> None:
    now = timezone.now()
    wave.plant(now=now, say=lambda _: None)
    running = asking.running()
    assert running is not None
    assert running.started_by_name == "Marek Novák"
    # Whoever signs in first has a question from evidence, with a doubt, and one passed on to them.
    payments = Party.objects.get(team__name="Payments")
    before = asked(payments)
    assert before["service:checkout"] == (9, 1)
    assert before["service:customer-portal"][0] == 5
    assert set(
        Claim.objects.filter(bundle="service:customer-portal").values_list("step", "passed")
    ) == {("passed_on", 1)}
    samuel = Party.objects.get(person__users__username="samuel")
    assert asked(samuel) == {"service:forecasting": (3, 0)}
    # People have answered, and what follows has been carried out: nobody owns by a tag alone.
    said = ClaimAnswer.objects.order_by("at").values_list("answer", "by_name", "owned")
    assert list(said) == [
        ("yes", "Jonas Weber", 4),
        ("not_mine", "Elena Fischer", 0),
        ("yes", "Jonas Weber", 3),
    ]
    owned = Identity.objects.filter(name__in=wave.USERS, owner__isnull=False)
    assert {str(one.owner) for one in owned} == {"Platform"}
    # A reviewer is shown for what nobody is known, and the rule that the answers bear out.
    assert ("code:acme/batch-jobs", 5) in [(one.bundle, one.n) for one in counting.nobody()]
    assert [(one.kind, one.value, str(one.party)) for one in suggesting.rules()] == [
        ("team", "4711", "Platform")
    ]
    days = counting.days(now=now)
    assert len(days) == wave.BEGUN_DAYS + 1
    assert counting.left_of(days[0]) > counting.left_of(days[-2])
    assert counting.forecast(days).latest is not None
    # What was made since the spreadsheet is nobody's, and is asked about as well.
    new = Claim.objects.filter(actor__value__endswith="user/checkout-canary").get()
    assert (new.party, new.state) == (payments, "open")
    # The account is gone; nothing asks it again by itself.
    source = Source.objects.get(name=wave.SOURCE)
    assert (source.inventory_plan.paused, source.connection.paused) == (True, True)
    assert User.objects.filter(person=None).count() == 0
