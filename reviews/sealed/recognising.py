"""A sealed credential in use, as evidence shows it: one case for one use, told at once.

Owns the consumer of deposits: each is looked at once, whenever it comes, so that what happened while
this application was down is found when its evidence arrives. Only what the target's own log says of
the credential itself, or of what it became, counts; nothing is inferred here.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from evidence import consumers
from evidence.models import Deposit, Progress
from evidence.vocabulary import PLANE_IDENTITY
from evidence.words import counted
from identities.acting import COUNTERSIGN
from identities.models import Binding, Credential, Identity, Person
from reviews import persons
from reviews.actions import entries, reminders
from reviews.models import (
    Case,
    Notice,
    SealedCredential,
    SealedDrill,
    SealedEvent,
    SealedUse,
)

CONSUMER = "sealed"
LEASE = timedelta(minutes=10)
# So many calls of a use are kept, and frozen when somebody looks back at it.
MOST = 1_000
# An overdue look back is said again so often.
AGAIN = timedelta(days=1)
TOLD = ("administrator", "responder", "reviewer")
# A session lives no longer than that.
LONGEST_SESSION = timedelta(hours=36)
# Of one deposit, the calls that name what was declared sealed at that moment, or what it became: its
# children, and the sessions that it opened. Where the deposit tells that it opened one (`fresh`), what
# came of that session before counts as well.
FOUND = """
SELECT DISTINCT s.slug, s.id, e.at, e.id
FROM reviews_sealedcredential s
CROSS JOIN LATERAL (
  WITH RECURSIVE became (id, fresh) AS (
    SELECT s.actor_id, false
    UNION SELECT n.id, b.fresh OR n.fresh FROM became b CROSS JOIN LATERAL (
      SELECT c.id, false AS fresh FROM evidence_actor c WHERE c.parent_id = b.id
      UNION ALL SELECT i.credential_id, i.deposit_id = %(deposit)s FROM evidence_issuance i
      WHERE i.by_credential_id = b.id AND NOT i.standing) n)
  SELECT id, fresh FROM became) a
CROSS JOIN LATERAL (
  SELECT at, id FROM evidence_event
  WHERE credential_id = a.id AND at BETWEEN %(first)s AND %(last)s
    AND deposit_id = %(deposit)s AND plane = %(plane)s
  UNION SELECT at, id FROM evidence_event
  WHERE principal_id = a.id AND at BETWEEN %(first)s AND %(last)s
    AND deposit_id = %(deposit)s AND plane = %(plane)s
  UNION SELECT at, id FROM evidence_event
  WHERE a.fresh AND credential_id = a.id AND at BETWEEN %(first)s AND %(ends)s
    AND plane = %(plane)s) e
WHERE s.watched AND s.state IN ('in_force', 'ended') AND s.settled_at <= e.at
  AND (s.until IS NULL OR e.at < s.until)
  AND NOT EXISTS (SELECT FROM reviews_sealedevent k
    WHERE k.slug = s.slug AND k.at = e.at AND k.event_id = e.id)
ORDER BY 1, 3, 4, 2
"""


class Seen(NamedTuple):
    """One call by a sealed credential, as declared at its moment."""

    slug: str
    credential: UUID
    at: datetime
    event: int


def recognise_next(*, now: datetime) -> bool:
    """Look at one deposit that waits; False when none does."""
    return bool(
        consumers.handle_next(CONSUMER, lambda held: _look(held, now), lease=LEASE, now=now)
    )


def _look(held: Progress, now: datetime) -> None:
    with transaction.atomic():
        for slug, rows in groupby(_found(held.deposit), key=lambda one: one.slug):
            _join(slug, list(rows), now=now)
        consumers.finish(held, now=now)


def _found(deposit: Deposit) -> list[Seen]:
    if deposit.first_at is None or deposit.last_at is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            FOUND,
            {
                "deposit": deposit.pk,
                "first": deposit.first_at,
                "last": deposit.last_at,
                "ends": deposit.last_at + LONGEST_SESSION,
                "plane": PLANE_IDENTITY,
            },
        )
        return [Seen(*row) for row in cursor.fetchall()]


def _join(slug: str, rows: Sequence[Seen], *, now: datetime) -> None:
    """These calls belong to the use that is open, or begin one."""
    # Of workers with deposits of one credential, the second waits, and joins what the first opened.
    SealedCredential.objects.select_for_update(of=("self",)).get(slug=slug, version=1)
    credential = SealedCredential.objects.select_related("actor").get(pk=rows[0].credential)
    use = SealedUse.objects.filter(slug=slug, reviewed_at=None).select_related("drill").first()
    known = set(
        SealedEvent.objects.filter(
            slug=slug, at__in=[one.at for one in rows], event_id__in=[one.event for one in rows]
        ).values_list("at", "event_id")
    )
    new = [one for one in rows if (one.at, one.event) not in known]
    if not new:
        return
    first, last = new[0].at, new[-1].at
    opened = use is None
    if use is None:
        use = _open(credential, first, last, now=now)
    elif use.more and last <= use.last_at:
        return  # beyond what is kept of it, and read again
    case = entries.locked(use.case_id)
    use.first_at, use.last_at = min(use.first_at, first), max(use.last_at, last)
    kept = new[: max(0, MOST - use.calls)]
    SealedEvent.objects.bulk_create(
        SealedEvent(use=use, slug=slug, at=one.at, event_id=one.event) for one in kept
    )
    use.calls, use.more = use.calls + len(kept), use.more or len(kept) < len(new)
    beyond = use.drill is not None and not use.beyond_drill and _beyond(use.drill, new)
    use.beyond_drill |= beyond
    use.save()
    words = (
        f"{credential.actor.value[:300]}, which lies sealed, was used: {counted(len(new), 'call')} from"
        f" {first:%-d %b %Y %H:%M:%S} to {last:%-d %b %Y %H:%M:%S} UTC"
    )
    entries.note(
        case, act="sealed_credential.used", words=words[:1_000], by=COUNTERSIGN, now=now, at=first
    )
    entries.changed(case)
    if opened or beyond:
        _alarm(use, case, credential, words, now=now)


def _open(
    credential: SealedCredential, first: datetime, last: datetime, *, now: datetime
) -> SealedUse:
    due = now + timedelta(hours=credential.review_within_hours)
    identity = _identity_of(credential, first)
    drill = (
        SealedDrill.objects.filter(slug=credential.slug, starts_at__lte=first, ends_at__gt=first)
        .order_by("announced_at")
        .first()
    )
    case = Case(
        door="break_glass",
        state="in_review",
        title=f"Used out of band: {credential.words}"[:200],
        identity=identity,
        opened_at=now,
        opened_by=COUNTERSIGN.ref,
        opened_by_name=COUNTERSIGN.name,
        reason=f"{credential.actor.value[:300]} lies sealed: {credential.kept}"[:1_000],
        deadline_at=due,
        silence="deny",
        legal_entity=identity.legal_entity if identity is not None else "",
    )
    case.save(force_insert=True)
    case.refresh_from_db(fields=["number"])
    return SealedUse.objects.create(
        case=case,
        credential=credential,
        slug=credential.slug,
        first_at=first,
        last_at=last,
        calls=0,
        drill=drill,
        review_due_at=due,
    )


def _identity_of(credential: SealedCredential, at: datetime) -> Identity | None:
    """Whose it is by the register, where that is known."""
    bound = Binding.objects.filter(
        actor=credential.actor, state="confirmed", during__contains=at, superseded_at__isnull=True
    )
    if (row := bound.select_related("identity").order_by("recorded_at").last()) is not None:
        return row.identity
    held = Credential.objects.filter(actor=credential.actor).select_related("identity").first()
    return None if held is None else held.identity


def _beyond(drill: SealedDrill, rows: Sequence[Seen]) -> bool:
    return any(not drill.starts_at <= one.at < drill.ends_at for one in rows)


def overdue_next(*, now: datetime) -> bool:
    """Say once a day that nobody has looked back at a use; False when nothing is overdue."""
    found = False
    due = SealedUse.objects.filter(reviewed_at=None, review_due_at__lte=now)
    for pk in list(due.order_by("case__number").values_list("pk", flat=True)[:50]):
        with transaction.atomic():
            case = entries.locked(pk)
            use = due.filter(pk=pk).select_related("credential").first()
            if use is None:
                continue
            was, use.review_due_at = use.review_due_at, now + AGAIN
            use.save(update_fields=["review_due_at"])
            words = f"Nobody has looked back at it, due {was:%-d %b %H:%M} UTC"
            entries.note(
                case, act="sealed_credential.overdue", words=words, by=COUNTERSIGN, now=now, at=was
            )
            entries.changed(case)
            subject, occasion = "nobody has looked back at it", f"overdue {was.isoformat()}"
            _tell(case, occasion, subject, f"{words}: {use.credential.words}.", now=now)
            found = True
    return found


def _alarm(
    use: SealedUse, case: Case, credential: SealedCredential, words: str, *, now: datetime
) -> None:
    announced = use.drill is not None and not use.beyond_drill
    subject = (
        f"announced drill: {credential.slug} is in use"
        if announced
        else f"ALARM: sealed credential {credential.slug} is in use"
    )
    body = (
        f"{words}.\n\n{credential.words}. It lies: {credential.kept}. May open it:"
        f" {credential.openers}.\n\nIf nobody expects this, treat it as an attack. Whoever used it says"
        " so there, and somebody else looks back at it."
    )
    if use.beyond_drill:
        body = f"It goes beyond its announced drill. {body}"
    _tell(case, "beyond drill" if use.beyond_drill else "used", subject, body, now=now)


def _tell(case: Case, occasion: str, subject: str, body: str, *, now: datetime) -> None:
    """Everybody who may act, who answers for the identity, and every address for alarms."""
    told: dict[object, Person] = {}
    for group in TOLD:
        told |= {one.pk: one for one in persons.in_group(group, now=now)}
    if case.identity is not None:
        one = case.identity
        parties = persons.of_parties([one.owner_id, one.sponsor_id, one.backup_id], now=now)
        told |= {person.pk: person for those in parties.values() for person in those}
    rows = reminders.notices(
        case, told.values(), occasion=occasion, subject=subject[:250], body=body, now=now
    )
    alarm = {
        "subject": f"{case.key}: {subject}"[:300],
        "body": f"{body}\n\n{settings.BASE_URL}/cases/{case.key}/\n",
        "case": case.pk,
        "occasion": f"{case.key} {occasion}",
        "created_at": now,
        "not_before": now,
    }
    if settings.ALERT_EMAIL:
        # It is nobody's login: whoever watches it needs no identity provider.
        rows.append(Notice(address=settings.ALERT_EMAIL, **alarm))
    if settings.WEBHOOK_URL and not told:
        rows.append(Notice(channel="webhook", address=settings.WEBHOOK_URL, **alarm))
    reminders.send(rows)
