"""What people say about findings: whose it is, and what it was."""

from datetime import datetime

from django.db import transaction

from evidence import ledger, nudge
from identities import permissions
from identities.acting import By, acting
from identities.models import Finding, User
from identities.permissions import NotPossible

# (state, disposition) -> allowed. `withdrawn` is the judges' word, when evidence explains it.
DISPOSITIONS = ("confirmed", "expected", "false", "duplicate")
OPEN = ("open", "confirmed")


def dispose(*, finding: Finding, disposition: str, reason: str, by: By, now: datetime) -> Finding:
    """Say what an open finding is, with the reason; it is never deleted."""
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
        row.state, row.state_at, row.state_by = disposition, now, who.ref
        row.state_reason = reason.strip()
        row.save(update_fields=["state", "state_at", "state_by", "state_reason"])
        _record(row, by, now, f"finding.{disposition}", f"{disposition}: {reason.strip()}")
    return row


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
