"""Pages and API of one signature on many targets: tried out first, then signed by who confirms."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from identities.models import Batch, Identity, Revocation, User
from tests.identities.chains import arn, credential
from tests.signed_in import by_hand, unsure

from .conftest import HOUR, Told, make_user
from .test_pages import PASSWORD, as_user

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
KEY = "request-0001"


@pytest.fixture
def rex(story: Told) -> User:
    credential(
        "ASIACHILD00000000001", None, to=arn("role/reader"), by=story.credential, lives=9_000 * HOUR
    )
    return make_user("rex", "responder")


def confirmed(client: Client, path: str, form: dict[str, str]) -> Any:
    """Post; nothing is signed before who it is says so once more, and then it goes on by itself."""
    unsure(client)
    asks = client.post(path, form)
    assert asks["Location"].split("?")[0] == "/accounts/reauthenticate/"
    assert Batch.objects.count() == 0
    return client.post(asks["Location"], {"password": PASSWORD})


def cells(client: Client, batch: Batch) -> list[dict[str, str]]:
    text = b"".join(client.get(f"/batches/{batch.key}.csv").streaming_content).decode()  # type: ignore[attr-defined]  # streamed
    return list(csv.DictReader(io.StringIO(text)))


def test_cascade_is_shown_first_and_signed_by_who_confirms(
    story: Told, rex: User, as_user: Sign
) -> None:
    path = f"/identities/{story.identity.key}/cascade/"
    client = as_user(rex)
    assert path in client.get(f"/identities/{story.identity.key}/").content.decode()
    page = client.get(f"{path}?step=hold")
    text = " ".join(page.content.decode().split())
    assert f"access key {story.credential.short}" in text
    assert (Revocation.objects.count(), Batch.objects.count()) == (0, 0)
    form = {
        "step": "hold",
        "reason": "it left its task",
        "request_key": page.context["request_key"],
    }
    done = confirmed(client, f"{path}sign/", form)
    batch = Batch.objects.get()
    assert (done.status_code, done["Location"]) == (302, f"/batches/{batch.key}/")
    again = client.post(f"{path}sign/", form)
    assert (again["Location"], Batch.objects.count()) == (done["Location"], 1)
    shown = " ".join(client.get(done["Location"]).content.decode().split())
    assert f"access key {story.credential.short}" in shown
    found = cells(client, batch)
    # The session of a role is denied at AWS under a hold as well.
    assert [row["state"] for row in found] == ["requested", "effective", "requested", "requested"]
    assert {row["result"] for row in found} == {"asked for"}


def test_who_may_not_is_told_so_on_the_page_and_by_the_form(story: Told, as_user: Sign) -> None:
    path = f"/identities/{story.identity.key}/cascade/"
    page = as_user(story.ines).get(f"{path}?step=revoke")
    why = "Revoking what svc-report has takes both seats: open a case, or hold it at once."
    assert page.context["why_not"] == why
    refused = as_user(story.ines).post(f"{path}sign/", {"step": "revoke", "reason": "x"})
    assert (refused.status_code, why in refused.content.decode()) == (403, True)


def test_names_are_tried_out_and_signed(story: Told, rex: User, as_user: Sign) -> None:
    client = as_user(rex)
    names = f"{story.identity.name}\nnobody\n"
    file = SimpleUploadedFile("many.csv", f"{story.credential.key},x\n".encode())
    page = client.post("/batches/new/", {"names": names, "step": "hold", "file": file})
    assert [bool(row["refused"]) for row in page.context["rows"]] == [False, True, False]
    assert (page.status_code, Revocation.objects.count()) == (200, 0)
    form = {
        "names": page.context["names"],
        "step": "hold",
        "reason": "a leak",
        "request_key": page.context["request_key"],
    }
    done = confirmed(client, "/batches/sign/", form)
    batch = Batch.objects.get()
    assert done["Location"] == f"/batches/{batch.key}/"
    shown = client.get(done["Location"])
    assert (shown.context["refused"], shown.context["asked"]) == (1, 4)
    assert as_user(make_user("gus", "owner")).get(done["Location"]).status_code == 404
    assert as_user(story.rita).get(done["Location"]).status_code == 200


def test_form_says_what_is_wrong_with_the_list(rex: User, as_user: Sign) -> None:
    page = as_user(rex).post("/batches/new/", {"names": " \n", "step": "hold"})
    assert (page.status_code, page.context["problem"]) == (
        409,
        "Name at least one target, a line each.",
    )
    page = as_user(rex).post("/batches/new/", {"names": "a", "step": "melt"})
    assert page.context["problem"].startswith("'melt' is no step here")


def fresh(by: User) -> dict[str, str]:
    """A session in which this person has just confirmed who they are."""
    return by_hand(by)


def post(address: str, by: User, **said: Any) -> tuple[int, dict[str, Any]]:
    answer = Client().post(address, said, "application/json", headers=fresh(by))
    return answer.status_code, answer.json()


def test_api_tries_out_signs_once_and_shows_each_row(story: Told, rex: User) -> None:
    path = f"/api/identities/{story.identity.key}/cascade/"
    status, plan = post(path, rex, step="hold", dry_run=True)
    assert (status, Batch.objects.count()) == (200, 0)
    assert [(row["depth"], row["above"]) for row in plan["rows"]] == [(0, None), (1, 0), (2, 1)]
    said = {"step": "hold", "because": "it left its task", "request_key": KEY}
    status, made = post(path, rex, **said)
    assert (status, [len(row["revocations"]) for row in made["rows"]]) == (202, [2, 1, 1])
    assert post(path, rex, **said) == (202, made)
    status, other = post(path, rex, **said | {"because": "another"})
    assert (status, made["batch"] in other["detail"]) == (409, True)
    answer = Client().get(f"/api/batches/{made['batch']}/", headers=fresh(rex))
    assert answer.json() == made
    assert post("/api/batches/", rex, step="hold", names=["nobody"], dry_run=True)[1]["rows"][0][
        "refused"
    ]


def test_session_confirms_at_the_api_as_well(story: Told, rex: User, as_user: Sign) -> None:
    client = as_user(rex, confirmed=False)
    said = {"step": "hold", "names": [story.identity.name], "because": "x", "request_key": KEY}
    answer = client.post("/api/batches/", said, "application/json")
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "Confirm who you are first, at /accounts/reauthenticate/.",
    )
    assert Identity.objects.get(pk=story.identity.pk).revocations.count() == 0
