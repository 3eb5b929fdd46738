"""One mail a day to each person for whom something waits: how many, by when, and the links.

Owns when it is written and its words. It goes through the outbox (reviews/notices) and carries
no evidence and no titles, because mail is read by more people than a case is. Drafts wait for
nobody's clock, so by themselves they make a mail when some are new, and then once a week.
"""

from datetime import UTC, datetime, time
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q

from evidence import nudge
from evidence.words import counted
from identities.claims import asking
from identities.models import User
from identities.permissions import parties_of
from reviews.actions import activating, second_looks
from reviews.models import Notice, QueueSetting
from reviews.pages import owned, planted, waiting

# Not before this hour, UTC.
FROM_HOUR = 6
# On this day of the week, Monday, drafts are a reason of their own.
WEEKLY = 0
# Cases that one mail names; it says how many more there are.
NAMED = 20
# Logins that somebody stands behind have a row each, so that whose mail is due is one look.
MISSING = """
INSERT INTO reviews_queuesetting (user_id, mail)
SELECT u.id, true FROM identities_user u WHERE u.is_active AND u.person_id IS NOT NULL
ON CONFLICT DO NOTHING
"""


def write_next(*, now: datetime) -> bool:
    """Write the mail of one login whose mail of today is due; False when none is."""
    if now.hour < FROM_HOUR:
        return False
    with transaction.atomic():
        row = (
            QueueSetting.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(Q(mailed_on__isnull=True) | Q(mailed_on__lt=now.date()), mail=True)
            .filter(user__is_active=True, user__person__isnull=False)
            .select_related("user__person")
            .first()
        )
        if row is None:
            with connection.cursor() as cursor:
                cursor.execute(MISSING)
                return bool(cursor.rowcount)
        before, row.mailed_on = row.mailed_on, now.date()
        row.save(update_fields=["mailed_on"])
        since = datetime.combine(before, time(FROM_HOUR), UTC) if before else None
        _write(row.user, since=since, now=now)
    return True


class Drafts(NamedTuple):
    """How many wait to be made active, and of them those whose end is near, is past, and that are
    new since the last mail."""

    many: int = 0
    near: int = 0
    past: int = 0
    new: int = 0


NO_DRAFTS = Drafts()


def _drafts(user: User, *, since: datetime | None, now: datetime) -> Drafts:
    past, new = Q(expires_at__lte=now), Q(created_at__gte=since) if since else Q()
    return Drafts(
        **activating.waiting_for(user, now=now).aggregate(
            many=Count("pk"),
            near=Count("pk", filter=~past & Q(expires_at__lte=now + owned.SOON)),
            past=Count("pk", filter=past),
            new=Count("pk", filter=new),
        )
    )


def _write(user: User, *, since: datetime | None, now: datetime) -> None:
    found = waiting.for_user(user, now=now)
    claims = asking.waiting_for(parties_of(user, now=now))
    looks = second_looks.waits(user, now=now)
    drafts = _drafts(user, since=since, now=now)
    alone = drafts.new or (drafts.many and now.weekday() == WEEKLY)
    if not found and not looks and not claims and not alone:
        return
    over = sum(one.deadline_at <= now for one in found)
    many = f"over {len(found):,} cases wait for you"
    if len(found) < waiting.MOST:
        many = _wait(len(found))
    if not found:
        many = str(looks or "")
    if not many:
        many = _wait(claims, "question") if claims else _active(drafts)
    # One for each person and day, whichever of their logins comes first.
    Notice.objects.bulk_create(
        [
            Notice(
                person=user.person,
                channel="mail",
                subject=f"{many[0].upper()}{many[1:]}{f', {over} overdue' if over else ''}",
                body=body(found, now=now, looks=looks, claims=claims, drafts=drafts),
                occasion=f"digest {now:%Y-%m-%d}",
                created_at=now,
                not_before=now,
            )
        ],
        ignore_conflicts=True,
    )
    nudge.after_commit("notice.written")


def _wait(many: int, thing: str = "case") -> str:
    return f"{counted(many, thing)} {'waits' if many == 1 else 'wait'} for you"


def _active(drafts: Drafts) -> str:
    said = counted(drafts.many, "identity", "identities")
    return f"{said} {'waits' if drafts.many == 1 else 'wait'} to be made active"


def _ends(drafts: Drafts) -> str:
    """Whose end is near or past, as the end of a sentence."""
    said = []
    if drafts.near:
        ends = "ends" if drafts.near == 1 else "end"
        said.append(f"{drafts.near:,} of them {ends} within {owned.SOON.days} days")
    if drafts.past:
        said.append(f"the end of {drafts.past:,} is past")
    return "".join(f", {one}" for one in said)


def body(
    found: list[waiting.Waiting],
    *,
    now: datetime,
    looks: second_looks.Waits | None = None,
    claims: int = 0,
    drafts: Drafts = NO_DRAFTS,
) -> str:
    """The earliest deadlines first, each with its link; then how many second looks and claims wait,
    and what waits to be made active."""
    lines = [
        f"{one.key}, {one.door_words}, {waiting.left_words(one)},"
        f" {'was' if one.deadline_at <= now else 'is'} due {one.deadline_at:%Y-%m-%d %H:%M} UTC\n"
        f"{settings.BASE_URL}{one.url}\n"
        for one in planted.beside(found[:NAMED])
    ]
    if len(found) > NAMED:
        lines.append(f"And {len(found) - NAMED:,} more.\n")
    if looks:
        lines.append(f"{looks}: {settings.BASE_URL}{second_looks.MINE}\n")
    if claims:
        lines.append(
            f"{counted(claims, 'question')} whether something is yours:"
            f" {settings.BASE_URL}/unclaimed/questions/\n"
        )
    if drafts.many:
        lines.append(
            f"{_active(drafts)}{_ends(drafts)}: {settings.BASE_URL}{owned.PATH}?state=draft\n"
        )
    lines.append(
        f"Your queue: {settings.BASE_URL}/queue/\n"
        f"This mail comes once a day; turn it off at {settings.BASE_URL}/queue/outside/\n"
    )
    return "\n".join(lines)
