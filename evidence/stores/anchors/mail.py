"""A mail to somebody outside, an auditor's mailbox: the statement is attached."""

import json
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.message import BadHeaderError

from evidence.sources.failures import Later, Stopped
from evidence.stores.anchors.configured import Held, Kept, Place, Statement


def keep(place: Place, statement: Statement, *, now: datetime) -> Kept:
    """Hand it to the mail server; nobody says that it arrived."""
    if settings.MAILERS == settings.UNNAMED_MAILERS:
        raise Stopped("No mail server is named.", "Write it into COUNTERSIGN_EMAIL_URL.")
    identity = f"<anchor-{statement.number}-{statement.hash.hex()[:16]}-{place.name}@countersign>"
    name = f"countersign-ledger-{statement.number}.jws"
    mail = EmailMessage(
        subject=f"Ledger of {settings.BASE_URL} to row {statement.number:,}",
        body=f"Row {statement.number} of the ledger has the hash\n\n{statement.hash.hex()}\n\n"
        "Keep this mail. The attached statement says the same, signed. Whoever is to show later "
        "that the ledger was not rewritten exports it and runs\n\n"
        f"    python3 verify_ledger.py ledger.ndjson --anchor {name}\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[place.says["to"]],
        headers={"Message-ID": identity, "Auto-Submitted": "auto-generated"},
    )
    mail.attach(name, statement.text, "text/plain")
    try:
        mail.send()
    except BadHeaderError:
        raise Stopped("Its address is no mail address.", "Correct `to` of this place.") from None
    except (OSError, SMTPException) as problem:
        raise Later(f"{type(problem).__name__} while sending") from None
    receipt = json.dumps({"id": identity, "sent_at": now.isoformat()}).encode()
    return Kept(receipt, "handed to the mail server")


def problem(place: Place, statement: Statement, receipt: bytes) -> str:  # noqa: ARG001 -- as each kind
    """Only its reader can say what it has."""
    return ""


def held(place: Place) -> list[Held] | None:  # noqa: ARG001 -- as each kind
    """A mailbox is its reader's: we cannot look into it."""
    return None
