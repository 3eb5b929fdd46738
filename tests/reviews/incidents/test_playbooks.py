"""Playbooks: what a document may say, two people, one signature, steps in order, once, stopped."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from evidence.models import LedgerEntry
from identities.models import Credential, Revocation
from identities.permissions import NotAllowed, NotPossible
from reviews.incidents import containing, playbook_document, playbooks, running
from reviews.models import Case, ContainmentStep, Item, Playbook, PlaybookRun
from reviews.policy_document import DocumentError
from tests import once
from tests.reviews.conftest import HOUR, NOW, Told, make_user

from .conftest import MINUTE, named, opened
from .stops import come_to, other_identity, second_key

pytestmark = pytest.mark.django_db
TEXT = """
words: A key of an agent is out
steps:
  - {does: block, targets: identity}
  - {does: hold, targets: credentials}
  - {does: sessions, targets: identity, then: regardless}
  - {does: narrow, targets: delegations}
"""


@pytest.fixture
@once.told
def incident(story: Told) -> Case:
    """Opened by Ines, whom Samuel named its lead."""
    return named(opened(story)[0], story.samuel)


def written(*steps: str) -> str:
    return "words: x\nsteps:\n" + "".join(f"  - {one}\n" for one in steps)


def in_force(story: Told, text: str = TEXT, slug: str = "leaked-key") -> Playbook:
    row = playbooks.propose(slug=slug, text=text, reason="agreed", by=story.rita, now=NOW)
    ada = make_user(f"ada-{slug}", "administrator")
    return playbooks.sign(playbook=row, by=ada, now=NOW)


def run(case: Case, story: Told, playbook: Playbook, **more: Any) -> PlaybookRun:
    said: dict[str, Any] = {
        "chosen": running.Chosen(),
        "reason": "the key is on a forum",
        "request_key": "request-0001",
        "by": story.ines,
        "now": NOW,
    }
    return running.run(playbook=playbook, case=case, **(said | more))


def states(row: PlaybookRun) -> list[str]:
    return list(row.steps.order_by("place").values_list("state", flat=True))


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("words: [", "line 1, column 9", "This is no YAML"),
        ("words: x\nwords: y\nsteps: []", "line 2, column 1", "'words' is written twice"),
        ("words: &a x\nsteps: *a", "line 2, column 8", "no aliases"),
        ("- x", "document", "Write words and steps."),
        ("words: x", "steps", "It is missing."),
        ("words: x\nsteps: []", "steps", "Write a list of 1 to 20 steps."),
        ("words: x\nsteps: [{does: hold}]", "steps[0].targets", "It is missing."),
        (written("{does: shred, targets: identity}"), "steps[0].does", "Write one of: hold"),
        (written("{does: suspend, targets: credentials}"), "steps[0].targets",
         "A step that does suspend acts on one of: identity, others."),
        (written("{does: hold, targets: identity, then: soon}"), "steps[0].then",
         "Write one of: confirmed, effective, regardless."),
        (written("{does: hold, targets: identity, now: 1}"), "steps[0].now", "It is not known."),
        (written("{does: hold, targets: identity}", "{does: hold, targets: identity}"),
         "steps[1]", "done by a step before it"),
        (written("{does: hold, targets: identity, leave: {actions: [a]}}"),
         "steps[0].leave.resources", "It is missing"),
        ("words: x\nsteps: [{does: hold, targets: identity}]\nwhen: now", "when", "It is not known"),
        ("a: " + "[" * 5_000, "document", "no YAML"),
    ],
)  # fmt: skip
def test_document_refuses_with_the_place(text: str, place: str, said: str) -> None:
    with pytest.raises(DocumentError) as refused:
        playbook_document.read(text)
    ((where, what), *_) = refused.value.problems
    assert (where, said in what) == (place, True)


def test_document_is_read_alike_from_yaml_and_json_and_written_again() -> None:
    value, found = playbook_document.read(TEXT)
    again, same = playbook_document.read(playbook_document.written(value))
    assert (again, same) == (value, found)
    assert [one.then for one in found.steps] == ["confirmed"] * 2 + ["regardless", "confirmed"]
    assert playbook_document.lines(found)[1] == (
        "Step 1",
        "Block at the decision endpoint the identity; the next begins when the targets show it",
    )


def test_two_people_put_a_version_in_force_and_it_takes_the_place_of_the_one_before(
    story: Told,
) -> None:
    first = playbooks.propose(slug="x", text=TEXT, reason="a", by=story.rita, now=NOW)
    with pytest.raises(NotAllowed, match="You proposed it"):
        playbooks.sign(playbook=first, by=story.rita, now=NOW)
    with pytest.raises(NotPossible, match="waits for its second signature"):
        playbooks.propose(slug="x", text=TEXT, reason="a", by=story.rita, now=NOW)
    ada = make_user("ada", "administrator")
    playbooks.sign(playbook=first, by=ada, now=NOW)
    with pytest.raises(NotPossible, match="says this already"):
        playbooks.propose(slug="x", text=TEXT, reason="a", by=story.rita, now=NOW)
    text = written("{does: block, targets: identity}")
    second = playbooks.propose(slug="x", text=text, reason="b", by=ada, now=NOW)
    playbooks.sign(playbook=second, by=story.rita, now=NOW)
    assert dict(Playbook.objects.values_list("version", "state")) == {1: "ended", 2: "in_force"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Playbook.objects.filter(version=1).update(state="in_force")


def test_steps_begin_in_order_each_when_the_one_before_has_come_far_enough(
    story: Told, incident: Case
) -> None:
    second_key(story)
    row = run(incident, story, in_force(story))
    # The block is effective in that second, so the hold of both keys began with the signature.
    assert states(row) == ["asked", "asked", "waiting", "waiting"]
    held = row.steps.get(place=1)
    assert held.targets.count() == 2
    assert not running.go_on_next(now=NOW)
    come_to("sent", at=NOW + MINUTE)
    assert not running.go_on_next(now=NOW + MINUTE)
    assert containing.state(incident, now=NOW).contained_at is None
    come_to("confirmed", at=NOW + 2 * MINUTE)
    assert running.go_on_next(now=NOW + 2 * MINUTE)
    row.refresh_from_db()
    # No session lives, which the third step does not wait for; then the delegation, which is ours.
    assert (row.state, states(row)) == ("done", ["asked"] * 4)
    assert Item.objects.filter(case=incident, kind="step").count() == 4
    assert not running.go_on_next(now=NOW + HOUR)
    acts = LedgerEntry.objects.filter(subject=incident.key, act__startswith="playbook.")
    assert list(acts.order_by("pk").values_list("act", flat=True)) == [
        "playbook.run",
        "playbook.done",
    ]


def test_a_failed_target_holds_the_run_up_until_it_is_seen_to_or_the_run_is_stopped(
    story: Told, incident: Case
) -> None:
    row = run(incident, story, in_force(story))
    Revocation.objects.update(state="failed", failed_why="refused", who_must_act="the cloud team")
    steps = list(row.steps.order_by("place"))
    assert "the cloud team must act" in running.waits_for(row, steps)
    assert not running.go_on_next(now=NOW)
    stopped = running.stop(run=row, reason="by hand", by=story.ines, now=NOW + MINUTE)
    assert (stopped.state, states(row)) == ("stopped", ["asked", "asked", "dropped", "dropped"])
    with pytest.raises(NotPossible, match="nothing of it waits"):
        running.stop(run=row, reason="x", by=story.ines, now=NOW)


def test_what_was_issued_since_the_signature_is_stopped_as_well(
    story: Told, incident: Case
) -> None:
    text = written("{does: hold, targets: credential}", "{does: hold, targets: credentials}")
    chosen = running.Chosen(credential=story.credential)
    row = run(incident, story, in_force(story, text), chosen=chosen)
    assert states(row) == ["asked", "waiting"]
    late = second_key(story)
    come_to("confirmed", at=NOW)
    Credential.objects.filter(pk=story.credential.pk).update(state="held")
    running.go_on_next(now=NOW + MINUTE)
    step = row.steps.get(place=1)
    assert late.pk in set(step.targets.values_list("credential", flat=True))


def test_others_are_named_by_the_person_and_each_row_has_its_result(
    story: Told, incident: Case, rex: Any
) -> None:
    other = other_identity(story)
    playbook = in_force(story, written("{does: block, targets: others}"))
    with pytest.raises(NotPossible, match="stops other identities as well"):
        run(incident, story, playbook)
    Case.objects.get(pk=incident.pk).room.roles.update(until=NOW)
    with pytest.raises(NotAllowed, match="answers for svc-other may stop it"):
        run(incident, story, playbook, chosen=running.Chosen(others=(other,)))
    row = run(incident, story, playbook, chosen=running.Chosen(others=(other,)), by=rex)
    (target,) = row.steps.get().targets.all()
    assert (target.identity, target.done_at, row.state) == (other, NOW, "done")


def test_same_request_key_is_the_same_run_and_something_else_under_it_is_refused(
    story: Told, incident: Case
) -> None:
    playbook = in_force(story)
    first = run(incident, story, playbook)
    assert run(incident, story, playbook) == first
    with pytest.raises(NotPossible, match="which was something else"):
        run(incident, story, playbook, reason="another one")
    with pytest.raises(NotPossible, match="Give a request key"):
        run(incident, story, playbook, request_key="x")
    assert (PlaybookRun.objects.count(), ContainmentStep.objects.count()) == (1, 4)


def test_who_may_not_revoke_may_not_run_what_revokes(story: Told, incident: Case, rex: Any) -> None:
    playbook = in_force(story, written("{does: revoke, targets: credentials}"))
    with pytest.raises(NotAllowed, match="Only the incident lead revokes alone"):
        run(incident, story, playbook, by=rex)
    assert run(incident, story, playbook).signed_as == "incident lead"


def test_what_is_not_in_force_is_not_run(story: Told, incident: Case) -> None:
    row = playbooks.propose(slug="x", text=TEXT, reason="a", by=story.rita, now=NOW)
    with pytest.raises(NotPossible, match="two people sign a playbook first"):
        run(incident, story, row)


def test_run_of_an_incident_that_is_over_begins_nothing_more(story: Told, incident: Case) -> None:
    row = run(incident, story, in_force(story))
    Case.objects.filter(pk=incident.pk).update(state="closed")
    come_to("confirmed", at=NOW)
    assert running.go_on_next(now=NOW)
    row.refresh_from_db()
    assert (row.state, states(row)[2:]) == ("stopped", ["dropped", "dropped"])


def test_worker_that_dies_in_a_step_has_begun_nothing_of_it(story: Told, incident: Case) -> None:
    row = run(incident, story, in_force(story))
    come_to("confirmed", at=NOW)

    class Killed(BaseException):
        pass

    def dying() -> None:
        # All of the step is one transaction, which ends with its worker.
        with transaction.atomic():
            assert running.go_on_next(now=NOW + MINUTE)
            raise Killed

    with pytest.raises(Killed):
        dying()
    assert states(row) == ["asked", "asked", "waiting", "waiting"]
    assert Item.objects.filter(case=incident, kind="step").count() == 2
    assert running.go_on_next(now=NOW + MINUTE)
    assert states(row) == ["asked"] * 4
