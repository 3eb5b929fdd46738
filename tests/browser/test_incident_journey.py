"""The joined recording, from a finding to a closed case: known, contained at AWS, closed by another.

The recording's leaked key and the one made with it are two real keys of a local account here, so
that what is contained is seen to be. The pack that is taken out in the end is checked by its own
script, in an environment that has one package.
"""

import json
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from config import pipeline
from config.demo.aws import Demo
from identities.models import Credential, Finding, Identity, Revocation, User
from reviews.models import Case
from tests.awslab.fixtures import lab
from tests.awslab.lab import Lab
from tests.awslab.server import running
from tests.browser.conftest import Open
from tests.browser.signing import confirm
from tests.evidence.anchored import Names, mailbox, names, outside
from tests.house.test_data import DATA
from tests.identities.revoking import pointed_at_the_account
from tests.linked import link_agents
from tests.planted import PASSWORD
from tests.reviews.conftest import make_user
from tests.reviews.packs.packing import sealed
from tests.road.conftest import AFTER, pytest_generate_tests, run

__all__ = ["lab", "names", "outside", "pointed_at_the_account", "pytest_generate_tests"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.begins_at(AFTER)]
USER = "svc-report-agent"


@pytest.fixture
def aws_account() -> Iterator[Demo]:
    """One of its own: the users of the recording are made in it."""
    with running() as demo:
        yield demo


@pytest.fixture
def people(nobody_yet: None) -> dict[str, User]:
    found = {}
    for name in ("rex", "leila"):
        found[name] = make_user(name, "responder")
        found[name].set_password(PASSWORD)
        found[name].save()
    return found


def keys_in(records: list[dict[str, Any]]) -> list[str]:
    """The keys that were made for this user, in their order: the second one with the first."""
    return [
        str(one["responseElements"]["accessKey"]["accessKeyId"])
        for one in records
        if one["eventName"] == "CreateAccessKey" and one["requestParameters"]["userName"] == USER
    ]


def told(lab: Lab, folder: Path) -> list[str]:
    """The recording, in which these two keys are those of a user of the account."""
    iam = lab.admin.iam
    iam.create_user(UserName=USER)
    made = []
    for _ in range(2):
        key = iam.create_access_key(UserName=USER)["AccessKey"]
        made.append(str(key["AccessKeyId"]))
        # Its secret, so that a real use of it is tried and refused.
        said = {"access_key_id": made[-1], "secret_access_key": key["SecretAccessKey"]}
        (folder / f"{made[-1]}.json").write_text(json.dumps(said))
    was = keys_in(json.loads((DATA / "lab" / "cloudtrail.json").read_bytes())["Records"])
    assert len(was) == 2
    for file in (DATA / "lab").iterdir():
        text = file.read_bytes().replace(b"123456789012", lab.demo.account.encode())
        for old, new in zip(was, made, strict=True):
            text = text.replace(old.encode(), new.encode())
        (folder / file.name).write_bytes(text)
    run("register", folder / "truth.json", imported=True)
    run("ingest", folder / "cloudtrail.json", source="lab-aws", json=True)
    run("ingest", folder / "traces.pb.jsonl", source="lab-otel", json=True, complete=True)
    link_agents()
    return made


def concluded(page: Page, question: str, words: str) -> None:
    page.get_by_role("link", name=question).click()
    page.get_by_label("What do these events show?").fill(words)
    page.locator("input[value=answered]").check()
    for box in page.locator("input[name=ticked]").all()[:3]:
        box.check()
    page.get_by_role("button", name="Conclude").click()


def said(page: Page, opens: str, label: str, words: str, button: str) -> None:
    page.get_by_text(opens, exact=True).click()
    page.get_by_label(label).fill(words)
    page.get_by_role("button", name=button).click()


def test_from_the_finding_to_the_closed_case(
    open_as: Open,
    lab: Lab,
    people: dict[str, User],
    names: Names,
    settings: Any,
    recording: Path,
    tmp_path: Path,
) -> None:
    settings.PROBE_FOLDER = str(tmp_path)
    names(mailbox())  # the ledger's head is signed, and kept by an auditor
    leaked, second = told(lab, tmp_path)
    agent = Identity.objects.get(credentials__actor__value=leaked)
    finding = Finding.objects.filter(identity=agent, rule="no_run").latest("last_at")
    page = open_as(people["rex"])
    page.goto(f"/findings/{finding.key}/")
    page.get_by_role("link", name="Open an incident").click()
    page.get_by_role("button", name="Open the incident").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Incident:")
    case = Case.objects.get(door="incident")
    here = f"/cases/{case.key}/room/"

    # What identity, what authority, what behaviour; and what it reached.
    page.evaluate("document.querySelector('#radius').scrollIntoView()")
    radius = page.locator("#radius")
    expect(radius).to_contain_text(second[-4:])
    expect(radius).to_contain_text("salaries.csv")
    concluded(page, "Which key was misused?", f"{leaked}, by which {second} was made")
    concluded(page, "Who used it?", "nobody of ours: no run is behind these calls")
    concluded(page, "What was taken?", "the pay list")
    concluded(page, "Is it still going on?", "the last call is in evidence")
    page.get_by_role("link", name="How did it get out?").click()
    said(page, "Drop it…", "Why is it not answered any further?", "nobody knows yet", "Drop it")

    # Both keys by one signature, in the account itself.
    page.goto(f"/cases/{case.key}/containment/new/")
    page.locator("select[name=does]").select_option("hold")
    for key in Credential.objects.filter(actor__value__in=[leaked, second]):
        page.locator(f'input[name=pick][value="{key.key}"]').check()
    page.get_by_label("Why? It stands in the ledger").fill("it is used by somebody unknown")
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Sign: hold 2 targets").click()
    confirm(page)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert Revocation.objects.filter(case=case.pk, step="hold").count() == 2
    for hours in range(1, 4):
        Revocation.objects.update(not_before=timezone.now())
        pipeline.drain(timezone.now() + timedelta(hours=hours))
    status = lab.admin.iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]
    assert {str(one["Status"]) for one in status} == {"Inactive"}
    assert set(Revocation.objects.values_list("state", flat=True)) == {"effective"}

    # What is missing is said, done, and then it is before somebody else.
    page.goto(here)
    expect(page.locator("#room_gate")).to_contain_text("missing")
    assert not page.get_by_role("button", name="Put it before its closer").is_visible()
    for one in case.findings.filter(state="open"):
        page.goto(f"/findings/{one.key}/")
        page.locator("input[name=disposition][value=confirmed]").check()
        page.get_by_label("Reason").fill("somebody unknown had the key")
        with page.expect_navigation():
            page.get_by_role("button", name="Record or propose it").click()
    page.goto(here)
    said(page, "Write the outcome…", "What did it come to?", "two keys are dead", "Write it")
    said(page, "Note the lessons…", "What is done differently", "no keys in files", "Note them")
    page.get_by_text("Name…", exact=True).click()
    page.locator("select[name=role]").select_option("closer")
    page.get_by_label("Who? A login, mail address or name").fill("leila")
    page.get_by_role("button", name="Name them").click()
    page.get_by_role("button", name="Open an access review").click()
    page.goto(here)
    page.get_by_role("button", name="Freeze the evidence").click()
    page.get_by_role("button", name="Put it before its closer").click()

    other = open_as(people["leila"])
    other.goto(here)
    other.get_by_label("What did you look at, and what did you find?").fill("all of it")
    other.get_by_role("button", name="Close it").click()
    confirm(other)
    expect(other.get_by_text("Closed", exact=False).first).to_be_visible()
    case.refresh_from_db()
    assert (case.state, case.closed_by) == ("closed", people["leila"].ref)

    # What was done is believed without us.
    sealed()
    with other.expect_download() as coming:
        other.get_by_role("button", name="Pack with deposits").click()
    pack = tmp_path / "pack.zip"
    coming.value.save_as(pack)
    assert verified(pack, tmp_path).startswith("valid")
    with zipfile.ZipFile(pack) as zipped:
        (table,) = (one for one in zipped.namelist() if one.endswith("deposits.json"))
        assert json.loads(zipped.read(table))


def verified(pack: Path, folder: Path) -> str:
    """What the pack's own script says, where there is nothing but it and `cryptography`."""
    script, alone = folder / "verify_pack.py", folder / "alone"
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-e", pack, folder / "out"], check=True, timeout=60
    )
    (found,) = (folder / "out").rglob("verify_pack.py")
    (keys,) = (folder / "out").rglob("keys.json")
    script.write_bytes(found.read_bytes())
    alone.mkdir()
    packages = Path(sysconfig.get_path("purelib"))
    for one in (
        *packages.glob("cryptography"),
        *packages.glob("*cffi*"),
        *packages.glob("pycparser"),
    ):
        (alone / one.name).symlink_to(one)
    program = f"import sys, runpy; sys.path.insert(0, {str(alone)!r}); del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, script, pack, "--keys", keys],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()
