"""What `manage.py doctor` asks of reviews: notices that reach nobody.

Owns sentences with a fix each; changes nothing.
"""

from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from evidence.words import counted
from reviews.models import Notice

# Its name, whether it is well, what was found, and what to do about it.
type Check = tuple[str, bool, str, str]
OVERDUE = timedelta(minutes=10)


def doctor() -> list[Check]:
    """Every check; one that cannot be made says so."""
    try:
        return [_notices(), _webhooks()]
    except DatabaseError as problem:
        said = str(problem).strip().splitlines()[0]
        return [("reviews", False, f"cannot be read: {said}", "run `manage.py migrate`")]


def _notices() -> Check:
    waiting = Notice.objects.filter(sent_at=None, created_at__lt=timezone.now() - OVERDUE)
    failed = waiting.exclude(failed_why="").order_by("created_at", "pk")
    first = failed.first()
    if first is not None:
        said = f"{counted(failed.count(), 'notice')} did not go out; the oldest: {first.failed_why}"
        return "notices", False, said, "look at COUNTERSIGN_EMAIL_URL and the addresses of people"
    late = waiting.filter(not_before__lt=timezone.now() - OVERDUE).count()
    if late:
        said = f"{counted(late, 'notice')} due and not sent for ten minutes"
        return "notices", False, said, "start the worker and beat (`manage.py up`)"
    return "notices", True, "none waits for long", ""


def _webhooks() -> Check:
    if settings.WEBHOOK_SECRET:
        return "webhooks", True, "are signed", ""
    wanted = Notice.objects.filter(channel="webhook", sent_at=None).count()
    return (
        "webhooks",
        not wanted,
        f"no secret to sign them with; {counted(wanted, 'notice')} waiting",
        "set COUNTERSIGN_WEBHOOK_SECRET to what `openssl rand -base64 32` prints",
    )
