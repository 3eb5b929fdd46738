"""A notice as mail, through Django's mailers."""

from django.conf import settings
from django.core.mail import EmailMessage

from reviews.models import Notice

from .failures import Permanent, Temporary

NOWHERE = "no mail server is named: write it into COUNTERSIGN_EMAIL_URL"


def send(notice: Notice) -> None:
    """Send one notice to its address, or its person's."""
    address = notice.address or (notice.person.email if notice.person else "")
    if not address:
        raise Permanent("there is no mail address")
    if settings.MAILERS == settings.UNNAMED_MAILERS:
        raise Temporary(NOWHERE)
    # A subject is one line, whatever name came into it.
    EmailMessage(
        subject=" ".join(notice.subject.split())[:200],
        body=notice.body,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[address],
        headers={
            # The same notice sent twice after a crash is one message to the reader's program.
            "Message-ID": f"<{notice.pk}@countersign>",
            "Auto-Submitted": "auto-generated",
        },
    ).send()
