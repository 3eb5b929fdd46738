"""The rows of the table of permissions: of findings, alerts, leavers and links that two people settle."""

from collections.abc import Callable, Iterator
from typing import Any

from identities.actions import changes, findings, leaving
from identities.actions.bindings import linking
from identities.actions.changes import Line
from identities.models import Binding, Finding
from reviews.actions import second_signatures
from reviews.incidents import alerts

from .conftest import NOW, person_of
from .permission_alerts import ONLY as ONLY_ALERTS
from .permission_alerts import noted
from .permission_world import Row, World

SIGN = "changes.why_not_sign_change"
ONLY_FINDINGS = "Only a reviewer, a responder or who answers for the identity may settle a finding."
ONLY_PEOPLE = "Only a reviewer or an administrator may say who is here and who has left."
ONLY_LINKS = "Only a reviewer or who answers for svc-report may settle its bindings."


def _asked(w: World, kind: str, document: dict[str, Any], by: str = "rita") -> Any:
    return changes.propose(
        kind=kind,
        subject="x",
        title="x",
        document=document,
        lines=[Line("x", "y")],
        reason="x",
        by=w.user(by),
        now=NOW,
    )


def _finding(w: World) -> Any:
    row = Finding.objects.create(
        identity=w.identity(),
        rule="no_run",
        strength=3,
        words="x",
        first_at=NOW,
        last_at=NOW,
        opened_at=NOW,
        state_at=NOW,
    )
    row.refresh_from_db()
    return _asked(w, findings.KIND, {"finding": row.key, "disposition": "false"})


def _alert(w: World) -> Any:
    row = noted(w.identity())
    return _asked(w, alerts.KIND, {"alert": row.number, "identity": None})


def _matched(w: World) -> Any:
    row = noted(w.identity())
    return _asked(w, alerts.KIND, {"alert": row.number, "identity": w.identity().key})


def _left(w: World) -> Any:
    gone = str(person_of(w.user("gus")).pk)
    return _asked(w, leaving.KIND, {"person": gone, "left": NOW.isoformat()})


def _back(w: World) -> Any:
    return _asked(w, leaving.KIND, {"person": str(person_of(w.user("gus")).pk), "left": None})


def _link(w: World, by: str = "rita") -> Any:
    row = Binding.objects.filter(identity=w.identity(), state="confirmed").first()
    assert row is not None
    return _asked(w, linking.ENDING, {"link": row.pk, "digest": ""}, by)


def of_second_signatures() -> Iterator[Row]:
    def signs(who: str, made: Callable[[World], Any]) -> Callable[[World], Any]:
        return lambda w: changes.why_not_sign_change(w.user(who), made(w), now=NOW)

    for who, made, said in (
        ("rex", _finding, None),
        ("ines", _finding, None),
        ("gus", _finding, ONLY_FINDINGS),
        ("root", _finding, ONLY_FINDINGS),
        ("rex", _alert, None),
        ("ines", _alert, ONLY_ALERTS),
        ("rex", _matched, None),
        (
            "root",
            _matched,
            "Only a responder or who answers for svc-report may open an incident of it.",
        ),
        ("root", _left, None),
        ("ines", _left, ONLY_PEOPLE),
        ("root", _back, None),
        ("ines", _back, ONLY_PEOPLE),
        ("ines", _link, None),
        ("root", _link, "Whoever answers for svc-report signs this."),
        ("rex", _link, ONLY_LINKS),
        ("root", lambda w: _link(w, "ines"), None),
    ):
        yield Row(SIGN, signs(who, made), said)
    subject = "second_signatures.why_not_subject"

    def about(who: str, name: str | None) -> Callable[[World], Any]:
        return lambda w: second_signatures.why_not_subject(
            w.user(who), w.identity(kind="human", name=name) if name else None
        )

    yield Row(subject, about("rex", None), None)
    yield Row(subject, about("rex", "gus"), None)
    yield Row(subject, about("rex", "rex"), second_signatures.SUBJECT)
