"""What is due by itself: unanswered requests end, patience runs out, uses are looked back at.

Owns the order and the words. Each case is one transaction that takes its row and looks again, so
everything here may run twice, at once, or late. What ends at the target is identities' own sweep.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from identities.acting import COUNTERSIGN
from identities.actions import grants
from identities.models import Finding, Grant, Person
from reviews import persons
from reviews.actions import entries
from reviews.break_glass import answering, bundles, comparing, ending, rights, telling
from reviews.models import BreakGlass, Case, Notice

MOST = 50
# An overdue look back is said again so often.
AGAIN = timedelta(days=1)

MOVED = """
SELECT g.case_id, n.calls FROM reviews_breakglass g
JOIN reviews_case k ON k.id = g.case_id AND k.state = 'carrying_out'
JOIN identities_identity i ON i.id = k.identity_id
CROSS JOIN LATERAL (SELECT count(*) AS calls FROM identities_attribution t
  WHERE t.identity_no = i.number AND t.at >= g.opened_at) n
WHERE g.opened_at IS NOT NULL AND n.calls <> g.seen_calls ORDER BY k.number LIMIT %s
"""

type Found = QuerySet[BreakGlass]


def due_next(*, now: datetime) -> bool:
    """Do what is due in some cases; False when nothing is."""
    done = False
    for rows, does in (
        (_unanswered(now), _expire),
        (_others(now), telling.others),
        (_out_of_patience(now), _patience),
        (_over(), _look_back),
        (_unlooked(now), _overdue),
        (_owed(now), _ticket),
    ):
        for pk in list(rows.order_by("case__number").values_list("pk", flat=True)[:MOST]):
            done |= _one(pk, does, now=now)
    return done


def watch(*, now: datetime) -> int:
    """What its holders do while it is open: what a bundle denies is cut off, findings are told.

    A case is looked at when there are more or fewer calls of its holder than when it was last; a
    thousand that are used by nobody cost one question.
    """
    told = 0
    for pk, many in _moved():
        glass = _live().get(pk=pk)
        calls = comparing.compare(glass, now=now).calls
        told += _denied(glass, calls, now=now)
        _first_use(glass, calls, now=now)
        BreakGlass.objects.filter(pk=pk).update(seen_calls=many)
    new = Finding.objects.filter(
        identity=OuterRef("case__identity"),
        state__in=["open", "confirmed"],
        last_at__gte=OuterRef("opened_at"),
    ).exclude(cases=OuterRef("case"))
    for glass in _live().filter(Exists(new)).order_by("case__number")[:MOST]:
        told += _findings(glass, now=now)
    return told


def _moved() -> list[tuple[UUID, int]]:
    """The cases that are open whose holder's calls are other in number than when last looked at."""
    with connection.cursor() as cursor:
        cursor.execute(MOVED, [MOST])
        return list(cursor.fetchall())


def _denied(glass: BreakGlass, calls: Sequence[comparing.Call], *, now: datetime) -> int:
    denied = [one for one in calls if one.denied]
    if not denied or _ending(glass.case_id):
        return 0
    said = f"{denied[-1].action} was seen, which its bundle denies"
    ending.cut_off(case=glass.case, reason=said[:500], by=COUNTERSIGN, now=now)
    telling.everybody(glass.case, "denied seen", "it was cut off by itself", said, now=now)
    return 1


def drills(*, now: datetime) -> int:
    """Bundles that have not been practised in time: who may sign them hears of it, once each time."""
    told = 0
    for bundle in bundles.catalogue():
        says = rights.document_of(bundle)
        if says.drill_every_days is None:
            continue
        rows = BreakGlass.objects.filter(
            bundle__slug=bundle.slug, drill=True, opened_at__isnull=False
        )
        last = rows.order_by("-opened_at").values_list("opened_at", flat=True).first()
        since = last or bundle.settled_at or now
        if since + timedelta(days=says.drill_every_days) > now:
            continue
        occasion = f"drill {bundle.slug} since {since.isoformat()}"
        if Notice.objects.filter(occasion=occasion).exists():
            continue
        those = rights.persons(rights.able(says.quorum, now=now)) or persons.above(now=now)
        for person in those:
            telling.drill(person, bundle.slug, occasion, now=now)
        told += bool(those)
    return told


def _one(pk: UUID, does: Callable[[Case, BreakGlass, datetime], bool], *, now: datetime) -> bool:
    with transaction.atomic():
        row = Case.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=pk).first()
        if row is None:
            return False
        case, glass = answering.locked(row)
        return does(case, glass, now)


# --- which -------------------------------------------------------------------------------------


def _unanswered(now: datetime) -> Found:
    return BreakGlass.objects.filter(case__state="open", case__deadline_at__lte=now)


def _out_of_patience(now: datetime) -> Found:
    return BreakGlass.objects.filter(
        case__state="open",
        patience_at__lte=now,
        case__deadline_at__gt=now,
        patience_told_at__isnull=True,
    )


def _others(now: datetime) -> Found:
    return BreakGlass.objects.filter(case__state="open", others_at__lte=now)


def _over() -> Found:
    live = Grant.objects.filter(case=OuterRef("case")).exclude(state="ended")
    return BreakGlass.objects.filter(
        ~Exists(live), case__state="carrying_out", opened_at__isnull=False
    )


def _unlooked(now: datetime) -> Found:
    return BreakGlass.objects.filter(case__state="in_review", review_due_at__lte=now)


def _owed(now: datetime) -> Found:
    return BreakGlass.objects.filter(
        ticket_due_at__lte=now, opened_at__isnull=False, ticket_told_at__isnull=True
    )


def _live() -> Found:
    rows = BreakGlass.objects.filter(case__state="carrying_out", opened_at__isnull=False)
    return rows.select_related("case__identity", "case__requester", "bundle")


def _ending(case: UUID) -> bool:
    rows = Grant.objects.filter(case=case, ending_at__isnull=True)
    return not rows.exclude(state="ended").exists()


# --- what --------------------------------------------------------------------------------------


def _expire(case: Case, glass: BreakGlass, now: datetime) -> bool:
    if case.state != "open" or case.deadline_at > now:
        return False
    answering.end_unsigned(glass, now=now)
    words = f"Nobody answered by {case.deadline_at:%-d %b %Y %H:%M:%S} UTC: nothing was given"
    entries.note(
        case, act="break_glass.expired", words=words, by=COUNTERSIGN, now=now, at=case.deadline_at
    )
    case.state = entries.moved(case, "cancel")
    entries.changed(case, state=case.state, closed_at=now, closed_by=COUNTERSIGN.ref)
    telling.asker(case, "expired", "it ended unanswered", f"{words}. Ask anew.", now=now)
    return True


def _patience(case: Case, glass: BreakGlass, now: datetime) -> bool:
    if case.state != "open" or glass.patience_at > now or glass.patience_told_at is not None:
        return False
    glass.patience_told_at = now
    glass.save(update_fields=["patience_told_at"])
    body = (
        rights.why_not_bypass(glass.asker, case, now=now)
        or "You may open it alone now; everybody who was asked is told."
    )
    telling.asker(case, "patience", "nobody has answered yet", body, now=now)
    if rights.dearer_because(case, glass.asker, now=now) and glass.vouched_at is None:
        telling.duty(case, now=now)
    return True


def _look_back(case: Case, glass: BreakGlass, now: datetime) -> bool:
    if case.state != "carrying_out" or not _ended(case.pk):
        return False
    says = rights.document_of(glass.bundle)
    glass.review_due_at = now + timedelta(hours=says.review_within_hours)
    glass.save(update_fields=["review_due_at"])
    case.items.filter(outcome="").update(outcome="deny", outcome_at=now, carried_out_at=now)
    words = f"It has ended: somebody looks back at it by {glass.review_due_at:%-d %b %H:%M} UTC"
    entries.note(case, act="break_glass.ended", words=words, by=COUNTERSIGN, now=now)
    # From here on the deadline is that of the look back: lists and queues go by it.
    entries.changed(case, state=entries.moved(case, "review"), deadline_at=glass.review_due_at)
    telling.some(
        case,
        _lookers(case, now=now),
        "look back",
        "it has ended: look back at it",
        f"{case.opened_by_name}'s use has ended. Say what it was and whether it matched its reason,"
        f" by {glass.review_due_at:%-d %b %H:%M} UTC.",
        now=now,
    )
    return True


def _overdue(case: Case, glass: BreakGlass, now: datetime) -> bool:
    due = glass.review_due_at
    if case.state != "in_review" or due is None or due > now:
        return False
    glass.review_due_at = now + AGAIN
    glass.save(update_fields=["review_due_at"])
    body = f"Nobody has looked back at {case.opened_by_name}'s use, due {due:%-d %b %H:%M} UTC." + (
        " Until then their next bypass is dearer." if glass.bypassed_at is not None else ""
    )
    subject, occasion = "nobody has looked back at it", f"overdue {due.isoformat()}"
    telling.everybody(case, occasion, subject, body, now=now)
    entries.note(case, act="break_glass.overdue", words=body, by=COUNTERSIGN, now=now, at=due)
    return True


def _ticket(case: Case, glass: BreakGlass, now: datetime) -> bool:
    """A promised ticket is owed: who asked and the administrators hear of it, once."""
    if glass.ticket_told_at is not None or glass.ticket_due_at is None:
        return False
    glass.ticket_told_at = now
    glass.save(update_fields=["ticket_told_at"])
    telling.asker(case, "ticket", "its ticket is owed", "You promised a ticket: name it.", now=now)
    said = f"{case.opened_by_name} promised a ticket for it, which is not there."
    those = persons.in_group("administrator", now=now)
    telling.some(case, those, "ticket owed", "its ticket is owed", said, now=now)
    return True


def _ended(case: UUID) -> bool:
    return not Grant.objects.filter(case=case).exclude(state="ended").exists()


def _lookers(case: Case, *, now: datetime) -> list[Person]:
    """Who looks back: those who could sign it and the reviewers, never who used it."""
    found = {one.pk: one for one in telling.approvers(case, now=now)}
    found |= {one.pk: one for one in persons.in_group("reviewer", now=now)}
    found.pop(case.requester_id, None)  # type: ignore[arg-type]  # a case without one has no such key
    return sorted(found.values(), key=lambda one: (one.name, one.pk))


def _first_use(glass: BreakGlass, calls: Sequence[comparing.Call], *, now: datetime) -> None:
    """Evidence shows that it is used: its clock may begin with that."""
    used = [one for one in calls if one.exact or (one.scope == comparing.IN_SCOPE and not one.why)]
    unused = Grant.objects.filter(case=glass.case_id, first_used_at=None)
    for grant in unused.exclude(state="ended") if used else ():
        grants.used(grant, used[-1].at, now=now)


def _findings(glass: BreakGlass, *, now: datetime) -> int:
    """Findings of its holder since it opened: on the case, told at once, each once."""
    case = glass.case
    new = list(
        Finding.objects.filter(
            identity=case.identity, state__in=["open", "confirmed"], last_at__gte=glass.opened_at
        ).exclude(cases=case)[:MOST]
    )
    for one in new:
        with transaction.atomic():
            row, _ = answering.locked(case)
            if row.findings.filter(pk=one.pk).exists():
                continue
            row.findings.add(one)
            said = f"{one.key} was found while it is open"
            entries.note(row, act="break_glass.finding", words=said, by=COUNTERSIGN, now=now)
            entries.changed(row)
            body = f"{said}: cut it off there if it is not right."
            telling.everybody(row, f"finding {one.key}", "something lies outside", body, now=now)
            telling.asker(row, f"asked {one.key}", "say why", f"{said}: explain it.", now=now)
    return len(new)
