"""Every page of the story: nothing that axe objects to, no broken policy, no error, no overflow.

Light and dark, on a desk and on a phone; the watch of conftest.py fails on what the page did.
"""

import pytest

from evidence.models import Deposit, Event, Run
from identities.models import Credential, Finding, Identity, User
from reviews.models import Case
from tests.browser.conftest import LOOKS, Open, faults, picture
from tests.planted import Planted

pytestmark = pytest.mark.django_db(transaction=True)


def addresses() -> dict[str, str]:
    """A name for the picture, and where the page is in this story."""
    agent = Identity.objects.get(name="report-agent")
    event = Event.objects.order_by("-at").first()
    assert event is not None
    micros = int(event.at.timestamp() * 1_000_000)
    return {
        "front": "/",
        "queue": "/queue/",
        "cases": "/cases/",
        "case": f"/cases/{Case.objects.get(door='access_review', trigger='', identity=agent).key}/",
        "request": f"/cases/{Case.objects.filter(door='access_request').earliest('opened_at').key}/",
        "request-new": "/requests/new/?identity=report-agent",
        "identities": "/identities/",
        "identities-none": "/identities/?q=nobody-of-this-name",
        "line": f"/identities/{agent.key}/",
        "line-empty": f"/identities/{agent.key}/?at=2020-01-01T00:00:00Z",
        "run": f"/runs/RUN-{Run.objects.filter(agent__value='triage-agent').latest('first_at').pk}/",
        "findings": "/findings/",
        "finding": f"/findings/{Finding.objects.latest('first_at').key}/",
        "credentials": "/credentials/",
        "credential": f"/credentials/{Credential.objects.filter(identity=agent).earliest('issued_at').key}/",
        "ai-systems": "/ai-systems/",
        "identities-calls": "/identities/?runs=any",
        "delegations": "/delegations/",
        "revocations": "/revocations/",
        "unclaimed": "/unclaimed/",
        "unclaimed-things": "/unclaimed/things/",
        "burn-down": "/unclaimed/burn-down/",
        "sources": "/sources/",
        "source-new": "/sources/new/",
        "source": "/sources/finance-prod/",
        "events": "/events/",
        "event": f"/events/{micros}-{event.pk[1] if isinstance(event.pk, tuple) else event.pk}/",
        "deposit": f"/deposits/{Deposit.objects.latest('received_at').pk}/",
        "ledger": "/ledger/",
        "profile": "/profile/",
        "deciding": "/deciding/",
        "hand-over": f"/cases/{Case.objects.get(door='access_review', trigger='', identity=agent).key}/hand-over/",
        "second-look": f"/cases/{Case.objects.get(door='access_review', trigger='', identity=agent).key}/second-look/",
        "missing": "/identities/NHI-999999/",
    }


@pytest.mark.parametrize(("dark", "phone"), LOOKS)
def test_every_page_is_clean(open_as: Open, planted: Planted, *, dark: bool, phone: bool) -> None:
    page = open_as(User.objects.get(username="ines"), dark=dark, phone=phone)
    mode = ("dark" if dark else "light") + ("-phone" if phone else "")
    found: dict[str, list[str]] = {}
    for name, address in addresses().items():
        page.goto(address, wait_until="networkidle" if name == "line" else "load")
        picture(page, f"{name}-{mode}")
        if said := faults(page, dark=dark):
            found[name] = said
    assert found == {}
