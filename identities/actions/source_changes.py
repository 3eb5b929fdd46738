"""Changes of sources as proposed changes: evidence says what they do, people sign them here."""

from collections.abc import Sequence
from datetime import datetime

from evidence import second_person
from evidence.permissions import Reader
from identities.acting import Acting
from identities.actions import changes
from identities.actions.changes import Line
from identities.models import ProposedChange, User
from identities.permissions import NOBODY, NotAllowed, groups

KIND = "source"
SIGNING = frozenset({"reviewer", "administrator"})
ONLY = "Only a reviewer or an administrator may sign changes of sources."


def ask(change: second_person.Change, by: Reader, now: datetime, reason: str) -> str:
    """Write the proposal of a reader of evidence; its key."""
    user = User.objects.filter(pk=by.ref.removeprefix("user:")).first()
    if user is None:
        raise NotAllowed(NOBODY)
    row = changes.propose(
        kind=KIND,
        subject=change.subject,
        title=change.title,
        document=change.document,
        lines=[Line(*one) for one in change.lines],
        reason=reason,
        by=user,
        now=now,
    )
    return row.key


class OfSource:
    """The kind of proposed change that evidence knows how to apply."""

    @staticmethod
    def why_not_sign(user: User, row: ProposedChange, *, now: datetime) -> str | None:  # noqa: ARG004 - the shape of a kind
        return None if not SIGNING.isdisjoint(groups(user)) else ONLY

    @staticmethod
    def apply(row: ProposedChange, *, by: Acting, now: datetime) -> Sequence[Line]:
        act = second_person.ACTS[row.document["act"]]
        both = Reader(by.ref, by.name, None, why_not_administer=None, signed_by_two=True)
        lines = [Line(*one) for one in act.lines(row.document)]
        act.apply(row.document, by=both, now=now)
        return lines


changes.kind(KIND, OfSource())
