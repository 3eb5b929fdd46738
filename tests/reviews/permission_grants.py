"""The rows of the table of permissions: of grants, their credentials, and trying them again."""

from collections.abc import Callable, Iterator
from typing import Any

from identities.actions.grants import rights
from identities.models import Grant
from identities.permissions import AUDITOR, INACTIVE

from .conftest import NOW
from .granted_rows import HOUR, granted
from .permission_world import Row, World

TAKE, RETRY = "rights.why_not_take", "rights.why_not_retry"
FAILED = {"state": "failed", "failed_why": "No room.", "who_must_act": "somebody"}


def of_grants() -> Iterator[Row]:
    def take(who: str, **said: Any) -> Callable[[World], str | None]:
        return lambda w: rights.why_not_take(w.user(who), _grant(w, who, **said), now=NOW)

    def retry(who: str, holder: str = "", **said: Any) -> Callable[[World], str | None]:
        return lambda w: rights.why_not_retry(w.user(who), _grant(w, holder, **said))

    for who, why in (("rex", None), ("off", INACTIVE), ("otto", AUDITOR)):
        yield Row(TAKE, take(who), why)
        yield Row(RETRY, retry(who, **FAILED), why)
    key = "GRT-77"
    yield Row(TAKE, take("rex", person="gus"), f"{key} was given to gus: only they take it.")
    yield Row(
        TAKE, take("rex", person=""), f"{key} was given to nobody who signs in: only they take it."
    )
    yield Row(
        TAKE,
        take("rex", kind="user"),
        f"Nothing is handed out of {key}: what it gives is used as it is.",
    )
    for said in ({"ends_at": NOW}, {"state": "ended"}, {"ending_at": NOW, **FAILED}):
        yield Row(TAKE, take("rex", **said), f"{key} has ended.")
    yield Row(
        TAKE,
        take("rex", state="granting"),
        f"{key} is not usable yet: the target does not show it.",
    )
    yield Row(TAKE, take("rex", **FAILED), f"{key} is not usable yet: No room.")
    only = "Only its holder, a reviewer, a responder or an administrator has it tried again."
    yield Row(RETRY, retry("gus", **FAILED), only)
    yield Row(RETRY, retry("gus", "gus", **FAILED), None)
    yield Row(RETRY, retry("rita", **FAILED), None)
    yield Row(RETRY, retry("rita"), f"{key} has not failed.")


def _grant(w: World, holder: str, **said: Any) -> Grant:
    case = w.case()
    fields = {"person": holder, "number": 77, "starts_at": NOW - HOUR} | said
    if said.get("state") == "ended":
        fields |= {"ended_at": NOW, "removed_at": NOW}
    return granted(w.identity(), now=NOW, case=case.pk, case_key=case.key, **fields)
