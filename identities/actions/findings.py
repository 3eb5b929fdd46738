"""What people say about findings: whose it is, and what it was.

One person confirms a finding, which hides nothing. What takes it off the list of open ones is
proposed, and a second person signs it (changes.py; who may is reviews/actions/second_signatures.py).
"""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from evidence import ledger, nudge
from identities import permissions
from identities.acting import By, acting
from identities.actions import changes
from identities.actions.changes import Line
from identities.findings import RULES
from identities.models import Finding, ProposedChange, User
from identities.permissions import NotPossible

# (state, disposition) -> allowed. `withdrawn` is the judges' word, when evidence explains it.
DISPOSITIONS = ("confirmed", "expected", "false", "duplicate")
OPEN = ("open", "confirmed")
KIND = "finding"


def dispose(
    *, finding: Finding, disposition: str, reason: str, by: By, now: datetime
) -> Finding | ProposedChange:
    """Say what an open finding is, with the reason; it is never deleted. What one person says is
    proposed, unless it confirms the finding."""
    with transaction.atomic():
        row = _locked(finding)
        permissions.require(permissions.why_not_dispose_finding(by, row, now=now))
        if disposition not in DISPOSITIONS:
            raise NotPossible(
                f"{disposition!r} is no disposition; choose from {', '.join(DISPOSITIONS)}."
            )
        if not reason.strip():
            raise NotPossible("Say why: others will read it as the reason.")
        if row.state not in OPEN or row.state == disposition:
            raise NotPossible(f"{row.key} is {row.state} already.")
        who = acting(by)
        if who.user is not None and disposition != "confirmed":
            return changes.propose(
                kind=KIND,
                subject=row.key,
                title=f"finding {row.key}",
                document={"finding": row.key, "disposition": disposition},
                lines=lines(row, disposition),
                reason=reason,
                by=who.user,
                now=now,
            )
        row.state, row.state_at, row.state_by = disposition, now, who.ref
        row.state_reason = reason.strip()
        row.save(update_fields=["state", "state_at", "state_by", "state_reason"])
        _record(row, by, now, f"finding.{disposition}", f"{disposition}: {reason.strip()}")
    return row


def lines(row: Finding, disposition: str) -> list[Line]:
    """What settling it changes, as two people sign it."""
    of = "" if row.identity is None else f" of {row.identity.name}"
    return [Line(f"{row.key}{of}", f"{RULES[row.rule]}: {row.state} → {disposition}")]


def proposed(keys: Collection[str]) -> dict[str, ProposedChange]:
    """Of the findings with these keys, what waits for a second person; the newest of each."""
    rows = ProposedChange.objects.filter(kind=KIND, state="proposed", subject__in=keys)
    return {row.subject: row for row in rows.order_by("number")}


def assign(*, finding: Finding, to: User | None, by: By, now: datetime) -> Finding:
    """Say who looks at it; nobody takes it away from them."""
    with transaction.atomic():
        row = _locked(finding)
        permissions.require(permissions.why_not_dispose_finding(by, row, now=now))
        if to is not None and not to.is_active:
            raise NotPossible(f"{to.called}'s login is switched off.")
        if row.assignee_id == (to.pk if to else None):
            return row
        row.assignee = to
        row.save(update_fields=["assignee"])
        name = to.called if to else "nobody"
        _record(row, by, now, "finding.assigned", f"is looked at by {name}")
    return row


def _locked(finding: Finding) -> Finding:
    return (
        Finding.objects.select_for_update(of=("self",))
        .select_related("identity", "identity__service")
        .get(pk=finding.pk)
    )


def _record(row: Finding, by: By, now: datetime, act: str, words: str) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=row.key,
        words=f"{row.key} {words}"[:1000],
        data={"finding": str(row.pk), "identity": str(row.identity_id or "")},
    )
    nudge.after_commit("identities.judged")
