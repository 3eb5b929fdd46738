"""What `manage.py doctor` says of signals: streams that do not get through, and keys that are not there."""

from django.conf import settings

from evidence.words import counted
from identities.enforcers import signal_keys
from identities.enforcers.addresses import WHO
from identities.enforcers.contract import PermanentFailure
from identities.models import SignalReceiver, SignalStream

type Check = tuple[str, bool, str, str]
# Once is a restart over there.
SEVERAL = 3


def doctor() -> list[Check]:
    """Nothing where nobody is told anything."""
    receivers = SignalReceiver.objects.filter(ended_at=None).count()
    if not receivers:
        return []
    try:
        signal_keys.keys()
    except PermanentFailure as problem:
        return [("signals", False, problem.reason, f"{problem.who_must_act} must act")]
    if not (settings.BASE_URL.startswith("https://") or settings.ALLOW_PRIVATE):
        said = f"receivers take no issuer but an https one, and ours is {settings.BASE_URL}"
        return [("signals", False, said, "set COUNTERSIGN_BASE_URL to the https address")]
    failing = SignalStream.objects.filter(
        deleted_at=None, receiver__ended_at=None, failures__gte=SEVERAL
    ).select_related("receiver")
    found: list[Check] = [
        (
            f"signals to {one.receiver.name}",
            False,
            one.failed_why,
            f"{one.who_must_act or WHO} must act, then it goes on by itself",
        )
        for one in failing.order_by("created_at")
    ]
    return found or [("signals", True, f"{counted(receivers, 'receiver')} told", "")]
