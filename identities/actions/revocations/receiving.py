"""What receivers of webhooks say became of a step: taken in, kept, and given to whoever looks.

Owns the words that are kept of them (tries of the kind `proof`), and what they wake: the worker
looks at the row again, and it is its look that moves the row (carrying.py). A word that takes back
what was believed opens a row again. Must not know signatures or HTTP.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from evidence import ledger, nudge
from identities.enforcers import webhook, webhook_answers
from identities.enforcers.contract import Target
from identities.enforcers.webhook_answers import Told
from identities.models import Revocation, RevocationTry
from identities.permissions import NotPossible

from . import waiting

SYSTEM, PROOF = "webhook", "proof"
# How far clocks may differ.
SKEW = timedelta(minutes=5)
# Words that are kept of one step; who says more says nothing new.
MOST_KEPT = 100
LONGEST_KEPT = 500


class NotAsked(Exception):
    """No such step was asked of this receiver."""


class Taken(NamedTuple):
    """What became of a word: whether it is new, and where the row stands now."""

    row: Revocation
    new: bool
    words: str


def take(*, told: Told, key: str, step: str, now: datetime) -> Taken:
    """A receiver's word on one step of one revocation. Raises NotAsked, NotPossible.

    The same message twice is one word. Whatever is refused changes nothing.
    """
    number = key.removeprefix("REV-")
    if not (key.startswith("REV-") and number.isascii() and number.isdigit()) or len(number) > 15:
        raise NotAsked
    with transaction.atomic():
        row = (
            Revocation.objects.select_for_update(of=("self",))
            .select_related("identity")
            .filter(number=int(number), system=SYSTEM, target__account=told.by)
            .first()
        )
        if row is None:
            raise NotAsked
        if row.step != step:
            raise NotPossible(f"{key} is a {row.step}, not a {step}: say what became of that.")
        kept = [one for _, one in _of(row)]
        if any(one.message == told.message for one in kept):
            return Taken(row, False, f"{told.message} was taken before: nothing was changed.")
        if row.state == "requested" or row.sending_at is None:
            raise NotPossible(f"{key} was not sent yet: there is nothing to say of it.")
        if told.seen_at < row.sending_at - SKEW:
            raise NotPossible(
                f"{key} was sent at {row.sending_at.isoformat()}, after what you say was seen at"
                f" {told.seen_at.isoformat()}: look again."
            )
        if told.seen_at > now + SKEW:
            raise NotPossible("seen_at lies ahead: say when it was seen.")
        if len(kept) >= MOST_KEPT:
            raise NotPossible(f"{MOST_KEPT} words on {key} are kept already: no more are taken.")
        RevocationTry.objects.create(
            revocation=row, at=now, did=PROOF, result=told.outcome, detail=told.words()
        )
        _record(row, told, "revocation.proved", told.words(), now)
        counting = webhook_answers.counts(_now(row))
        words = _wake(row, told, counts=counting == told, now=now)
    return Taken(row, True, words)


def _wake(row: Revocation, told: Told, *, counts: bool, now: datetime) -> str:
    """Have the worker look at it; where it was believed to be over, open it again."""
    said: dict[str, object] = {"not_before": now}
    denied = counts and _denies(told, row.state, now)
    match row.state:
        case "undone":
            return f"{row.key} was taken back meanwhile: your word is kept, and changes nothing."
        case "failed" if told.outcome != "failed" and counts:
            said |= {"state": "sent", "failed_why": "", "who_must_act": "", "attempts": 0}
            said["leased_until"] = None
        case "failed":
            return f"{row.key} has failed already: your word is kept."
        case "effective" if not denied:
            return f"{row.key} is effective already: your word is kept."
        case "confirmed" | "effective" if denied:
            seen = f"{told.by} took back its word: {told.words()}"
            said |= {"state": "sent", "effective_at": None, "attempts": 0, "leased_until": None}
            said["reopened"] = [*row.reopened, seen[:LONGEST_KEPT]]
            _record(row, told, "revocation.reopened", f"not {row.state}: {seen}", now)
        case "sent" | "confirmed":
            said["leased_until"] = None  # whoever looks now has not seen this word
    for name, value in said.items():
        setattr(row, name, value)
    row.save(update_fields=list(said))
    nudge.after_commit("revocation.requested")
    return f"{row.key}: your word is kept; it is looked at now."


def _denies(told: Told, state: str, now: datetime) -> bool:
    """Whether this takes back what the row's state says."""
    lives = told.outcome == "residual" and (told.until is None or told.until > now)
    return told.outcome == "failed" or (lives and state == "effective")


def _of(row: Revocation) -> list[tuple[datetime, Told]]:
    """Every word on this step, and when it came."""
    rows = row.tries.filter(did=PROOF).order_by("pk").values_list("at", "detail")
    read = ((at, webhook_answers.from_words(detail)) for at, detail in rows)
    return [(at, one) for at, one in read if one is not None]


def _record(row: Revocation, told: Told, act: str, words: str, now: datetime) -> None:
    ledger.append(
        at=now,
        by=f"receiver:{told.by}",
        by_name=told.by,
        act=act,
        subject=row.identity.key,
        words=f"{row.key}: {row.words}: {words}",
        data={"revocation": row.key, "message": told.message, "outcome": told.outcome},
    )


class Kept:
    """The book of a receiver's enforcer, in rows. It knows the row that a worker holds."""

    def asked(self, target: Target, *, step: str, now: datetime) -> webhook.Asked | None:
        row = waiting.held(target, step=step, now=now)
        if row is None:
            return None
        return webhook.Asked(row.key, row.state, row.sent_at, _now(row))

    def begin(self, target: Target, *, step: str, now: datetime) -> None:
        """Also where it was sent before: the worker keeps the first time."""
        row = waiting.held(target, step=step, now=now)
        if row is not None and row.sending_at != now:
            Revocation.objects.filter(pk=row.pk, leased_until=row.leased_until).update(
                sending_at=now
            )

    def wait(self, asked: webhook.Asked, *, until: datetime, why: str, now: datetime) -> bool:
        """False when a word came in between: then there is something to look at."""

        def newer(row: Revocation) -> bool:
            return len(_now(row)) > len(asked.told)

        return waiting.give_back(asked.key, until=until, why=why, now=now, unless=newer)


def _now(row: Revocation) -> list[Told]:
    """The words that came since it was sent last."""
    since = row.sending_at
    return [one for at, one in _of(row) if since is None or at >= since]
