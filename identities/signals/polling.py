"""Answering a poll (RFC 8936): what was acknowledged or refused, then what waits, signed.

Owns the reading of the request and its bounds. A SET is handed out until it is acknowledged.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from identities.actions import outgoing
from identities.enforcers import signal_keys
from identities.models import SignalSet, SignalStream

from . import pushing, vocabulary
from .vocabulary import LONGEST_ERR, LONGEST_SAID, Wrong

MOST_EVENTS = 100
MOST_ACKNOWLEDGED = 10_000


class Poll(NamedTuple):
    """What a receiver asks: at most so many SETs, at once or when there are some, and what became
    of those it had."""

    most: int
    at_once: bool
    taken: list[str]
    refused: Mapping[str, tuple[str, str]]


def read(body: Any) -> Poll:
    """The request (RFC 8936, 2.2). Raises Wrong."""
    if type(body) is not dict:
        raise Wrong("A poll is a JSON object.")
    most, at_once = body.get("maxEvents", MOST_EVENTS), body.get("returnImmediately", False)
    if type(most) is not int or most < 0:
        raise Wrong("maxEvents must be a whole number from 0.")
    if type(at_once) is not bool:
        raise Wrong("returnImmediately must be true or false.")
    ack, errors = body.get("ack", []), body.get("setErrs", {})
    if type(ack) is not list or not all(type(one) is str for one in ack):
        raise Wrong("ack must be a list of jti.")
    if type(errors) is not dict:
        raise Wrong("setErrs must be an object: err and description by jti.")
    if len(ack) + len(errors) > MOST_ACKNOWLEDGED:
        raise Wrong(f"One poll settles at most {MOST_ACKNOWLEDGED:,} SETs.")
    refused = {}
    for jti, why in errors.items():
        err = why.get("err") if type(why) is dict else None
        said = why.get("description", "") if type(why) is dict else None
        if type(err) is not str or not err or type(said) is not str:
            raise Wrong("Each of setErrs needs err, and a description that is text.")
        refused[jti] = (_plain(err)[:LONGEST_ERR], _plain(said)[:LONGEST_SAID])
    return Poll(min(most, MOST_EVENTS), at_once, ack, refused)


def _plain(text: str) -> str:
    shown = "".join(one if one.isprintable() else " " for one in text[: LONGEST_SAID * 2])
    return shown.encode("utf-8", "replace").decode()


def settle(stream: SignalStream, poll: Poll, *, now: datetime) -> None:
    """What the receiver took and refused of this stream; what is settled already stays so."""
    with transaction.atomic():
        rows = SignalSet.objects.filter(stream=stream, state="waiting")
        kinds: list[str] = []
        if poll.taken:
            those = list(
                rows.filter(jti__in=poll.taken).select_for_update(of=("self",)).order_by("id")
                .values_list("pk", "event__kind")
            )  # fmt: skip
            kinds = [kind for _, kind in those]
            SignalSet.objects.filter(pk__in=[pk for pk, _ in those]).update(
                state="taken", settled_at=now
            )
        refused = list(
            rows.filter(jti__in=list(poll.refused)).select_for_update(of=("self",)).order_by("id")
        )
        for one in refused:
            one.state, one.settled_at = "refused", now
            one.err, one.said = poll.refused[one.jti]
        if refused:
            SignalSet.objects.bulk_update(refused, ["state", "settled_at", "err", "said"])
        SignalStream.objects.filter(pk=stream.pk).update(polled_at=now)
        if kinds:
            pushing.taken(stream.pk, verified=vocabulary.VERIFICATION in kinds, now=now)


def answer(stream: SignalStream, most: int) -> tuple[dict[str, str], bool]:
    """What waits by its jti, at most so many, and whether there is more: a poll that only
    acknowledges (`most` is 0) learns that alone. Raises PermanentFailure where nothing can be
    signed."""
    if outgoing.stopped():
        return {}, False
    rows = SignalSet.objects.filter(stream=stream, state="waiting")
    if stream.status != "enabled":
        rows = rows.filter(control=True)
    found = list(rows.select_related("event").order_by("id")[: most + 1])
    if not found or most == 0:
        return {}, bool(found)
    key = signal_keys.keys()[0]
    sets = {one.jti: pushing.token(one, stream, key) for one in found[:most]}
    return sets, len(found) > most
