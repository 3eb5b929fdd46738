"""The rows of the table of permissions: of alerts."""

from collections.abc import Iterator

from evidence.models import Source
from identities.models import Identity, User
from identities.permissions import AUDITOR, INACTIVE, LEFT, NOBODY
from reviews.incidents import alert_rights
from reviews.models import Alert

from .conftest import DAY, NOW, person_of
from .permission_world import Row, World

ONLY = "Only a reviewer, a responder or an administrator says what becomes of an alert."
SETTLE = "alert_rights.why_not_settle_alert"


def noted(identity: Identity) -> Alert:
    """An alert about an identity, of which nothing has become yet."""
    source = Source.objects.create(name="alerts-of-it", created_at=NOW, created_by="x")
    row = Alert.objects.create(
        source=source,
        uid="x",
        deposit_id=1,
        position=0,
        shape="plain",
        title="x",
        at=NOW,
        received_at=NOW,
        last_at=NOW,
        state="noted",
        state_at=NOW,
        identity=identity,
    )
    row.refresh_from_db()
    return row


def of_alerts() -> Iterator[Row]:
    for name, said in (
        ("rita", None),
        ("rex", None),
        ("root", None),
        ("off", INACTIVE),
        ("otto", AUDITOR),
        ("gus", ONLY),
        ("ines", ONLY),
    ):
        yield Row(
            SETTLE,
            lambda w, name=name: alert_rights.why_not_settle_alert(w.user(name), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
    yield Row(SETTLE, nobodys, NOBODY)
    yield Row(SETTLE, gone, LEFT)


def nobodys(w: World) -> str | None:
    """A responder's login with no person behind it."""
    w.user("rex")
    User.objects.filter(username="rex").update(person=None)
    return alert_rights.why_not_settle_alert(User.objects.get(username="rex"), now=NOW)


def gone(w: World) -> str | None:
    person = person_of(w.user("rex"))
    person.left_at = NOW - DAY
    person.save(update_fields=["left_at"])
    return alert_rights.why_not_settle_alert(User.objects.get(username="rex"), now=NOW)
