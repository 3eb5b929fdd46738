"""The pages of incidents: opening, the room, a question, a task, closing; and who sees them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.queries.events import ref_of
from identities import as_read
from identities.models import User
from reviews.incidents import questions, rooms
from reviews.models import Case, Conclusion, Item, Room, Task
from tests.reviews.break_glass.test_break_glass_pages import again
from tests.reviews.conftest import DAY, NOW, Told, make_user
from tests.reviews.test_pages import answered, as_user

from .conftest import conclude, finish, fresh, opened, refs
from .test_opening import found

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


def shown(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status, answer.content[:1_000]
    return str(answer.content.decode())


def dropped(case: Case) -> int:
    return Room.objects.get(case=case).questions.filter(dropped_at__isnull=False).count()


def test_from_the_finding_to_the_closed_incident(story: Told, rex: User, as_user: Sign) -> None:
    ines, closer = as_user(story.ines), as_user(rex)
    row = found(story)
    form = shown(ines, f"/incidents/new/?finding={row.key}")
    assert (f'value="{story.identity.key}"' in form, f'value="{row.key}"' in form) == (True, True)
    given = {
        "identity": story.identity.key,
        "title": f"it got out {HOSTILE}",
        "reason": "as seen",
        "severity": "high",
        "findings": row.key,
    }
    here = ines.post("/incidents/new/", given)["Location"]
    case = Case.objects.get(door="incident")
    assert here == f"/cases/{case.key}/room/"
    page = shown(ines, here)
    assert (HOSTILE in page, "Which key was misused?" in page, "Ines leads." in page) == (
        False,
        True,
        True,
    )
    assert "missing</b>" in page
    # Somebody else reports the same: it joins.
    again_ = {**given, "title": "seen here too", "findings": ""}
    assert as_user(story.samuel).post("/incidents/new/", again_)["Location"] == here
    assert Case.objects.filter(door="incident").count() == 1
    ref = ref_of(refs()[0])
    said = {"number": 1, "words": f"the key {HOSTILE}", "certainty": "answered", "events": ref}
    assert ines.post(f"{here}conclude/", said)["Location"] == f"{here}#questions"
    page = shown(ines, f"{here}questions/1/")
    assert (HOSTILE in page, "Conclude anew" in page, f'value="{ref}" checked' in page) == (
        False,
        True,
        True,
    )
    row.state = "confirmed"
    row.save()
    finish(case, story, rex)
    assert "Close it" not in shown(ines, here)
    assert ines.post(f"{here}look-back/")["Location"] == f"{here}#gate"
    page = shown(closer, here)
    assert ("Close it" in page, "Send it back" in page) == (True, True)
    done = {"words": "read it all", "version": fresh(case).version}
    assert again(closer, f"{here}close/", done)["Location"] == here
    assert fresh(case).state == "closed"
    page = shown(closer, here)
    assert ("Closed" in page, 'hx-trigger="every 10s"' in page.split("room_clocks")[1][:300]) == (
        True,
        False,
    )


def test_closing_asks_who_one_is(story: Told, incident: Case, rex: User, as_user: Sign) -> None:
    finish(incident, story, rex)
    here = f"/cases/{incident.key}/room/"
    done = {"words": "x", "version": fresh(incident).version}
    answer = as_user(rex, confirmed=False).post(f"{here}close/", done)
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    # Who may not is told so first.
    assert as_user(story.ines, confirmed=False).post(f"{here}close/", done).status_code == 403
    assert fresh(incident).state == "open"


def test_what_is_missing_is_said_where_closing_is_refused(
    story: Told, incident: Case, rex: User, as_user: Sign
) -> None:
    rooms.name_role(case=incident, role="closer", to="Rex", by=story.ines, now=NOW)
    done = {"words": "x", "version": fresh(incident).version}
    answer = again(as_user(rex), f"/cases/{incident.key}/room/close/", done)
    assert answer.status_code == 409
    assert "5 things are missing before" in answer.content.decode()


@pytest.mark.parametrize(
    ("act", "given", "changed"),
    [
        ("severity", {"severity": "low", "reason": "x"}, lambda c: rooms.room_of(c).severity),
        ("outcome", {"words": "x", "read": as_read.mark([""])}, lambda c: rooms.room_of(c).outcome),
        ("lessons", {"words": "x", "read": as_read.mark([""])}, lambda c: rooms.room_of(c).lessons),
        ("ask", {"words": "x"}, lambda c: c.room.questions.count()),
        ("drop", {"number": "1", "reason": "x"}, dropped),
        ("role", {"role": "comms", "to": "Samuel"}, lambda c: c.room.roles.count()),
        (
            "hand-over",
            {"to": "Samuel", "known": "x", "unknown": "y"},
            lambda c: c.room.hand_overs.count(),
        ),
        (
            "task",
            {"words": "x", "owner": "Samuel", "due_at": f"{NOW + DAY:%Y-%m-%d %H:%M}"},
            lambda c: c.room.tasks.count(),
        ),
        ("review", {}, lambda _: Case.objects.filter(door="access_review").count()),
        ("freeze", {}, lambda c: rooms.room_of(c).capsule_id is not None),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_act_of_the_page_is_done_by_who_may_and_refused_to_others(
    story: Told,
    incident: Case,
    as_user: Sign,
    act: str,
    given: dict[str, str],
    changed: Callable[[Case], Any],
) -> None:
    incident.findings.add(found(story))
    conclude(incident, story.ines)
    url = f"/cases/{incident.key}/room/{act}/"
    before = changed(incident)
    for other, status in ((story.otto, 403), (story.rita, 403), (make_user("gus", "owner"), 404)):
        assert as_user(other).post(url, given).status_code == status
    assert changed(incident) == before
    assert as_user(story.ines).get(url)["Location"] == f"/cases/{incident.key}/room/"
    answer = as_user(story.ines).post(url, given)
    assert answer.status_code == 302, answer.content[:600]
    assert changed(fresh(incident)) != before


def test_refused_conclusion_keeps_what_was_typed(
    story: Told, incident: Case, as_user: Sign
) -> None:
    said = {"number": 1, "words": "kept words", "certainty": "partly", "events": "nonsense"}
    answer = as_user(story.ines).post(f"/cases/{incident.key}/room/conclude/", said)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert ("kept words" in page, "is no event: copy the reference" in page) == (True, True)
    assert 'value="partly" required checked' in page


def test_stale_conclusion_is_told_on_the_page(story: Told, incident: Case, as_user: Sign) -> None:
    conclude(incident, story.samuel)
    said = {
        "number": 1,
        "words": "mine",
        "certainty": "answered",
        "events": ref_of(refs()[0]),
        "seen": "",
    }
    answer = as_user(story.ines).post(f"/cases/{incident.key}/room/conclude/", said)
    assert "Samuel concluded on it at 12:01:00 UTC: read that first." in answer.content.decode()
    assert Conclusion.objects.get().words == "the key of svc-report"


def test_task_has_a_page_on_which_its_owner_ends_it(
    story: Told, incident: Case, as_user: Sign
) -> None:
    gus = make_user("gus", "reviewer")
    due = timezone.now() + DAY
    here = f"/cases/{incident.key}/room/"
    given = {"words": "look", "owner": "Gus", "due_at": f"{due:%Y-%m-%dT%H:%M}"}
    assert as_user(story.ines).post(f"{here}task/", given)["Location"] == f"{here}#tasks"
    assert "Say so" in shown(as_user(gus), f"{here}tasks/1/")
    assert "Say so" not in shown(as_user(story.rita), f"{here}tasks/1/")
    said = {"number": 1, "state": "done", "said": "looked"}
    assert as_user(gus).post(f"{here}end-task/", said)["Location"] == f"{here}#tasks"
    assert Task.objects.get().state == "done"


def test_live_part_is_four_parts_and_no_form(story: Told, incident: Case, as_user: Sign) -> None:
    client, url = as_user(story.ines), f"/cases/{incident.key}/room/"
    live = client.get(f"{url}?part=live", headers={"HX-Request": "true"}).content.decode()
    assert "<form" not in live
    assert [live.count(f'id="room_{one}"') for one in ("clocks", "questions", "gate", "tasks")] == [
        1, 1, 1, 1,
    ]  # fmt: skip
    assert live.count("hx-swap-oob") == 3
    assert "<h1>" not in live
    # Without script the same address is the whole page.
    assert "<h1>" in shown(client, f"{url}?part=live")
    assert "hx-swap-oob" not in shown(client, url)


def test_room_is_absent_for_who_may_not_see_its_case(
    story: Told, incident: Case, as_user: Sign
) -> None:
    gus = as_user(make_user("gus", "owner"))
    for path in ("", "questions/1/", "tasks/1/"):
        assert gus.get(f"/cases/{incident.key}/room/{path}").status_code == 404
    Case.objects.filter(pk=incident.pk).update(sealed=True)
    for user in (story.otto, story.rita, story.ines):
        assert as_user(user).get(f"/cases/{incident.key}/room/").status_code == 404


def test_case_that_is_no_incident_has_no_room(story: Told, case: Case, as_user: Sign) -> None:
    assert as_user(story.ines).get(f"/cases/{case.key}/room/").status_code == 404


def test_number_of_queries_of_the_live_part_does_not_grow(
    story: Told, incident: Case, as_user: Sign
) -> None:
    client, url = as_user(story.ines), f"/cases/{incident.key}/room/?part=live"

    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url, headers={"HX-Request": "true"}).status_code == 200
        return len(queries)

    conclude(incident, story.ines, number=1)
    counted()
    few = counted()
    for number in range(2, 6):
        conclude(incident, story.ines, number=number, events=refs(4))
    for number in range(20):
        questions.ask(case=incident, words=f"{number}?", by=story.ines, now=NOW)
        Item.objects.create(case=incident, position=number, kind="step", title="x")
        incident.findings.add(found(story, number))
    assert counted() == few


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"identity": "nobody"}, "There is no identity called"),
        ({"findings": "12"}, "is no finding: they are written like F-12."),
        ({"findings": "F-999999"}, "There is no finding F-999999."),
        ({"detected_at": "2999-01-01 00:00"}, "It cannot have been detected later than now."),
        ({"title": ""}, "This field is required."),
    ],
    ids=["identity", "finding", "unknown finding", "future", "title"],
)
def test_bad_form_opens_nothing_and_keeps_what_was_typed(
    story: Told, as_user: Sign, given: dict[str, str], why: str
) -> None:
    said = {"identity": "svc-report", "title": "t", "reason": "kept", "severity": "low"} | given
    answer = as_user(story.ines).post("/incidents/new/", said)
    page = answer.content.decode()
    assert (answer.status_code, why in page, "kept</textarea>" in page) == (400, True, True)
    assert not Case.objects.filter(door="incident").exists()


def test_form_says_which_incident_it_joins_and_who_may_not(
    story: Told, incident: Case, as_user: Sign
) -> None:
    url = f"/incidents/new/?identity={story.identity.key}"
    assert f"{incident.key}</a>" in shown(as_user(story.ines), url)
    assert "Only a responder or who answers for svc-report" in shown(as_user(story.rita), url)


def test_form_is_filled_in_from_a_case(story: Told, case: Case, as_user: Sign) -> None:
    page = shown(as_user(story.ines), f"/incidents/new/?case={case.key}")
    assert f'value="{story.identity.key}"' in page
    assert f"svc-report: from {case.key}" in page


def test_clocks_count_from_the_first_event_to_the_answers(story: Told, as_user: Sign) -> None:
    case, _ = opened(story, findings=[found(story)], detected_at=NOW - timedelta(minutes=90))
    page = shown(as_user(story.ines), f"/cases/{case.key}/room/")
    # The first event of the finding was two hours before NOW.
    assert "<b>30 min</b>" in page
