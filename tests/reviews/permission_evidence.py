"""The addresses of acts on sources, what is kept, and receivers of signals; none of them is an owner's."""

from typing import Any

from django.utils import timezone

from evidence import erasing
from evidence.models import Deposit, Event
from evidence.queries.events import ref_of
from identities.models import SignalStream, User
from identities.signals import streams
from reviews.readers import reader

from .conftest import NOW


def addresses_of_evidence(administrator: User) -> dict[str, dict[str, Any]]:
    """What stands in the address of each; a receiver, a stream and an erasure are there for it."""
    receiver = streams.register(
        name="gateway", user=administrator, audience="https://gateway.example.com",
        default_subjects="ALL", named_by="key", by=administrator, now=NOW,
    )  # fmt: skip
    stream = SignalStream.objects.create(
        receiver=receiver, delivery="push", endpoint="https://receiver.example.com/in",
        created_at=NOW, changed_at=NOW, not_before=NOW,
    )  # fmt: skip
    source, deposit = {"name": "cloudtrail"}, Deposit.objects.all()[0]
    erasure = erasing.ask(
        deposit=deposit, ordinal=None, names=False, reason="x",
        by=reader(administrator, timezone.now()), now=NOW,
    )  # fmt: skip
    return {
        "api_sources": {},
        "api_source": source,
        **{
            f"api_source_{act}": source
            for act in ("token", "secret", "hold", "check", "pull", "cancel", "drop")
        },
        "api_inventory_read": source,
        "api_deposit_reread": {"number": deposit.pk},
        "api_deposit_erase": {"number": deposit.pk},
        "api_erasure_confirm": {"erasure": erasure.pk},
        "api_erasure_refuse": {"erasure": erasure.pk},
        "api_mappings": {},
        "api_signal_receivers": {},
        "api_signal_end": {"receiver": str(receiver.pk)},
        "api_signal_stream": {"stream": stream.stream_id},
        "api_signal_test": {"stream": stream.stream_id},
    }


def an_event() -> dict[str, str]:
    """The reference of an event that reviewers see."""
    event = Event.objects.all()[0]
    return {"ref": ref_of((event.at, event.id))}
