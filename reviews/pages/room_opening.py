"""The form that opens an incident: filled in by where somebody comes from.

Owns the context of templates/incident_new.html. What can be opened is reviews/incidents/opening.py.
"""

import re
from datetime import datetime
from typing import Any

from django.db import transaction

from evidence.models import Run
from identities import visible as identities_visible
from identities.actions.findings import OPEN
from identities.findings import RULES
from identities.models import Finding, Identity, User
from identities.permissions import NotPossible
from reviews import visible
from reviews.incidents import opening, rights
from reviews.models import Case
from reviews.pages import details

LONGEST_TITLE = opening.LONGEST_TITLE


def identity_called(said: str, user: User, *, now: datetime) -> Identity | None:
    """The identity of this key or name, if this user sees it and it is one."""
    name = said.replace("\0", "").strip()
    rows = identities_visible.identities(user, now=now).select_related("service")
    key = re.fullmatch(r"NHI-0*(\d{1,15})", name)
    if key is not None:
        return rows.filter(number=int(key[1])).first()
    found = list(rows.filter(name=name)[:2])
    return found[0] if len(found) == 1 else None


def form(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/incident_new.html, without the form itself."""
    initial = _initial(user, asked, now=now)
    identity = identity_called(initial["identity"], user, now=now)
    return {
        "section": "incident",
        "now": now,
        "title": "Open an incident",
        "crumbs": [{"words": "Incidents", "url": "/cases/?door=incident"}],
        "initial": initial,
        "identity": identity,
        "why_not": "" if identity is None else rights.why_not_open(user, identity, now=now) or "",
        "joins": None if identity is None else _joins(identity, user, now=now),
    }


def _joins(identity: Identity, user: User, *, now: datetime) -> Case | None:
    """The open incident that this would join, where this user sees it."""
    rows = visible.cases(user, now=now).filter(room__takes=identity, sealed=False)
    return rows.exclude(state__in=rights.OVER).first()


def _initial(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, str]:
    found = {"identity": asked.get("identity", "")[:200], "severity": "medium"}
    number = _number(asked.get("finding", ""), "F")
    if number is not None:
        row = identities_visible.findings(user, now=now).filter(number=number).first()
        if row is not None and row.identity is not None:
            found |= {
                "identity": row.identity.key,
                "title": f"{row.identity.name}: {RULES[row.rule].lower()}"[:LONGEST_TITLE],
                "reason": f"{row.key}: {row.words}."[:1_000],
                "findings": row.key,
                "severity": "high",
                "detected_at": f"{row.opened_at:%Y-%m-%dT%H:%M}",
            }
    return found | _of_run(user, asked, now=now) | _of_case(user, asked, now=now)


def _of_run(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, str]:
    number = _number(asked.get("run", ""), "RUN")
    run = None if number is None else Run.objects.filter(pk=number).first()
    identity = None if run is None else details.identity_of(run, user, now=now)
    if run is None or identity is None:
        return {}
    return {
        "identity": identity.key,
        "title": f"{identity.name}: what RUN-{run.pk} did",
        "reason": f"RUN-{run.pk}: ",
    }


def _of_case(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, str]:
    number = _number(asked.get("case", ""), "CS")
    rows = visible.cases(user, now=now).select_related("identity")
    case = None if number is None else rows.filter(number=number).first()
    if case is None or case.identity is None:
        return {}
    names = [one.key for one in case.findings.filter(state__in=OPEN).order_by("number")[:20]]
    return {
        "identity": case.identity.key,
        "title": f"{case.identity.name}: from {case.key}",
        "reason": f"{case.key}: {case.title}. "[:1_000],
        "findings": ", ".join(names),
    }


def _number(key: str, letters: str) -> int | None:
    found = re.fullmatch(rf"{letters}-0*(\d{{1,15}})", key.strip())
    return None if found is None else int(found[1])


def open_for(
    identity: Identity,
    user: User,
    *,
    title: str,
    reason: str,
    severity: str,
    detected_at: datetime | None,
    numbers: list[int],
    now: datetime,
) -> tuple[Case, bool]:
    """Open or join, with findings that this user may see."""
    seen = identities_visible.findings(user, now=now)
    findings: list[Finding] = list(seen.filter(number__in=numbers))
    unknown = set(numbers) - {one.number for one in findings}
    if unknown:
        raise NotPossible(f"There is no finding F-{min(unknown)}.")
    if detected_at is not None and detected_at > now:
        raise NotPossible("It cannot have been detected later than now.")
    with transaction.atomic():
        case, new = opening.open_or_join(
            identity=identity,
            title=title,
            reason=reason,
            by=user,
            severity=severity,
            findings=findings,
            detected_at=detected_at,
            now=now,
        )
    return case, new
