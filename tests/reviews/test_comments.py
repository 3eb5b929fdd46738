"""Comments on a case: who may, who is meant and told, what the ledger holds, and no answer."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import Identity, Person, User
from identities.permissions import AUDITOR, INACTIVE, NotAllowed, NotPossible
from reviews import actions, commenting
from reviews.actions import commenting as acting
from reviews.models import Case, CaseMember, Comment, Decision, Item, Notice
from reviews.pages import case as case_page
from reviews.permissions import ABSENT
from tests.signed_in import sure

from .conftest import DAY, NOW, Told, item_of, make_user, party, person_of

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script> \u202eevil\r\nsecond line"


def write(case: Case, by: User, text: str, **more: Any) -> Comment:
    return actions.comment(case=case, text=text, by=by, now=NOW, **more)


def client_of(user: User) -> Client:
    found = Client()
    found.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    sure(found)
    return found


def test_comment_is_kept_and_the_ledger_holds_author_and_digest(story: Told, case: Case) -> None:
    before = Case.objects.get(pk=case.pk)
    row = write(case, story.ines, " who uses it?\r\nsince when ", item=item_of(case, "credential"))
    assert (row.text, row.person, row.mentioned) == (
        "who uses it?\nsince when",
        story.ines.person,
        [],
    )
    entry = LedgerEntry.objects.get(act="comment.written")
    assert (entry.subject, entry.by) == (case.key, story.ines.ref)
    assert entry.data["digest"] == acting.digest(row)
    assert "who uses it" not in f"{entry.words} {entry.data}"
    # It answers nothing and moves nothing: a form that is being filled in stays good.
    after = Case.objects.get(pk=case.pk)
    assert (after.version, after.state) == (before.version, before.state)
    assert Decision.objects.count() == 0
    assert item_of(case, "credential").outcome == ""


def test_who_is_named_is_told_once_with_a_link_and_no_words(
    story: Told, case: Case, settings: LazySettings
) -> None:
    settings.BASE_URL = "https://countersign.example"
    Notice.objects.all().delete()
    text = (
        "secret words for @samuel, @SAMUEL@example.org. and @ines; mail to x@leila does not count"
    )
    row = write(case, story.ines, text)
    assert row.mentioned == [person_of(story.samuel).pk, person_of(story.ines).pk]
    (notice,) = Notice.objects.all()
    assert (notice.person, notice.occasion) == (story.samuel.person, f"{case.key} comment {row.pk}")
    assert f"https://countersign.example/cases/{case.key}/" in notice.body
    assert "secret" not in f"{notice.subject} {notice.body}"


REFUSED = {
    "": "Write something first",
    " \n ": "Write something first",
    "x" * 2_001: "at most 2,000 characters",
    "a\0b": "cannot be stored",
    "hello @nobody": "@nobody is nobody who sees this case",
    "hello @vera": "@vera is nobody who sees this case",
    "hello @gone": "@gone is nobody who sees this case",
    " ".join(f"@a{at}" for at in range(11)): "At most 10 people",
}


def test_refused_with_what_is_wrong(story: Told, case: Case) -> None:
    make_user("vera", "owner")  # owns nothing here, so she sees no case of it
    gone = make_user("gone", "reviewer")
    Person.objects.filter(pk=person_of(gone).pk).update(left_at=NOW - DAY)
    for text, words in REFUSED.items():
        with pytest.raises(NotPossible, match=words):
            write(case, story.ines, text)
    assert Comment.objects.count() == 0


def test_a_name_of_two_people_asks_for_the_login(story: Told, case: Case) -> None:
    for login in ("kim1", "kim2"):
        user = make_user(login, "reviewer")
        Person.objects.filter(pk=person_of(user).pk).update(name="Kim")
    with pytest.raises(NotPossible, match="@kim is more than one person"):
        write(case, story.ines, "@kim?")
    assert len(write(case, story.ines, "@kim1 and @kim2?").mentioned) == 2


def test_five_hundred_are_enough(story: Told, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "MOST", 1)
    write(case, story.ines, "one")
    with pytest.raises(NotPossible, match="it takes no more"):
        write(case, story.ines, "two")


def test_item_of_another_case_is_refused(story: Told, case: Case) -> None:
    other = Identity.objects.create(
        name="other", kind="agent", owner=party(story.ines), created_at=NOW
    )
    other.refresh_from_db()
    second = actions.open_review(identity=other, by=story.rita, now=NOW, reason="x")
    item = Item.objects.create(case=second, position=9, kind="step", title="x")
    with pytest.raises(NotPossible, match="another case"):
        write(case, story.ines, "x", item=item)


def test_why_not_comment(story: Told, case: Case) -> None:
    nobody = User.objects.create(username="nobody")
    nobody.groups.set(story.rita.groups.all())
    vera = make_user("vera", "owner")
    off = make_user("off", "reviewer")
    off.is_active = False
    left = make_user("left", "reviewer")
    person_of(left).left_at = NOW - DAY
    for user, why in (
        (story.ines, None),
        (story.rita, None),
        (story.marek, None),
        (story.otto, AUDITOR),
        (vera, ABSENT),
        (off, INACTIVE),
        (nobody, "This login is nobody's: a comment needs a person behind it."),
        (left, "You have left: this login writes nothing."),
    ):
        assert commenting.why_not_comment(user, case, now=NOW) == why
    case.state = "closed"
    why = f"{case.key} is closed: nothing is added to it."
    assert commenting.why_not_comment(story.ines, case, now=NOW) == why
    with pytest.raises(NotAllowed, match="auditors read everything"):
        write(case, story.otto, "x")


def test_sealed_case_stays_unknown_to_who_is_named(story: Told, case: Case) -> None:
    Notice.objects.all().delete()
    Case.objects.filter(pk=case.pk).update(sealed=True)
    for user in (story.ines, story.samuel):
        CaseMember.objects.create(case=case, person=person_of(user), since=NOW)
    # The same words as for somebody who does not exist.
    for name in ("rita", "otto", "nobody-at-all"):
        with pytest.raises(NotPossible, match=f"@{name} is nobody who sees this case"):
            write(case, story.ines, f"@{name} look")
    assert commenting.why_not_comment(story.rita, case, now=NOW) == ABSENT
    write(case, story.ines, "@samuel look")
    assert [one.person for one in Notice.objects.all()] == [story.samuel.person]
    assert LedgerEntry.objects.get(act="comment.written").sealed_case == case.pk
    address = f"/cases/{case.key}/comment/"
    for user in (story.rita, story.otto):
        assert client_of(user).post(address, {"comment": "x"}).status_code == 404
    page = client_of(story.samuel).get(f"/cases/{case.key}/")
    assert [one["login"] for one in page.context["comments"]["hints"]] == ["ines"]


def test_a_plain_form_writes_and_shows_text_as_text(story: Told, case: Case) -> None:
    client = client_of(story.ines)
    item = item_of(case, "credential")
    said = {"comment": HOSTILE, "item": str(item.pk), "about": "item"}
    answer = client.post(f"/cases/{case.key}/comment/", said)
    row = Comment.objects.get()
    assert answer["Location"] == f"/cases/{case.key}/?item={item.pk}#comment-{row.pk}"
    page = client.get(answer["Location"]).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page
    assert client.get(f"/cases/{case.key}/comment/").status_code == 302


def test_what_was_typed_comes_back_with_the_reason(story: Told, case: Case) -> None:
    said = {"comment": "careful words @nobody"}
    answer = client_of(story.ines).post(f"/cases/{case.key}/comment/", said)
    page = answer.content.decode()
    assert (answer.status_code, "careful words @nobody</textarea>" in page) == (409, True)
    assert "@nobody is nobody who sees this case" in page
    refused = client_of(story.otto).post(f"/cases/{case.key}/comment/", {"comment": "x"})
    assert (refused.status_code, AUDITOR in refused.content.decode()) == (403, True)


def test_api_and_json_have_the_same_comment(story: Told, case: Case) -> None:
    client = client_of(story.samuel)
    said = {"text": "@ines why?", "item": str(item_of(case, "credential").pk)}
    made = client.post(f"/api/cases/{case.key}/comments/", said, content_type="application/json")
    assert made.status_code == 201
    assert made.json()["mentioned"] == ["Ines"]
    (row,) = client.get(f"/cases/{case.key}.json").json()["comments"]
    assert row == made.json()
    assert client.get(f"/api/cases/{case.key}/").json()["comments"] == [row]
    absent = {"text": "x", "item": "00000000-0000-4000-8000-000000000000"}
    address = f"/api/cases/{case.key}/comments/"
    assert client.post(address, absent, content_type="application/json").status_code == 404


def test_page_shows_the_newest_and_asks_the_same_for_many(story: Told, case: Case) -> None:
    now = timezone.now()

    def asked(said: dict[str, str]) -> tuple[int, dict[str, Any]]:
        row = Case.objects.select_related("identity__service", "policy", "requester").get(
            pk=case.pk
        )
        user = User.objects.select_related("person").get(pk=story.ines.pk)
        with CaptureQueriesContext(connection) as seen:
            found = case_page.context(row, user, said, now=now)
        return len(seen), found["comments"]

    write(case, story.samuel, "@ines 0")
    few, _ = asked({})
    for at in range(1, 31):
        write(case, story.samuel, f"@ines {at}", item=item_of(case, "credential"))
    many, found = asked({})
    assert many == few
    assert [one["text"] for one in found["rows"]] == [f"@ines {at}" for at in range(11, 31)]
    assert (found["total"], found["all_url"]) == (31, "?comments=all#comments-title")
    assert len(asked({"comments": "all"})[1]["rows"]) == 31
