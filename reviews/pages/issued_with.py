"""What a credential issued, as pages name it: what goes with it, how far each is, until when it lives.

Owns the rows of components/issued_with.html and the sentence before a signature. What is walked is
identities/issued.py's. Constant queries.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from evidence.words import counted
from identities import issued, visible
from identities.actions.batches import sharing
from identities.issued import Below
from identities.models import Credential, Identity, Revocation, User

MOST, MOST_NAMED = 200, 5
LIFE = {
    "stopped": "stopped",
    "over": "it has ended by itself",
    "released": "released since, by itself",
}
WAITS = {
    "requested": "asked for",
    "sending": "being sent",
    "sent": "sent, not shown yet",
    "confirmed": "the target shows it",
    "failed": "failed: somebody must act",
}


def of_revocation(row: Revocation, user: User, *, now: datetime) -> list[dict[str, Any]]:
    """Everything that was issued with what it stops, parents first; none of what takes nothing
    along."""
    if row.credential_id is None or not row.takes_issued:
        return []
    found = issued.below(
        [row.credential_id],
        step=row.step,
        now=now,
        since=row.number,
        lives=issued.ALL,
        most=MOST,
    )
    keys = [one.credential for one in found if one.credential is not None]
    seen = set(visible.credentials(user, now=now).filter(pk__in=keys).values_list("pk", flat=True))
    return [_row(one, one.credential in seen, goes=row.takes(one.identity)) for one in found]


def _row(one: Below, seen: bool, *, goes: bool) -> dict[str, Any]:
    change = f"REV-{one.change_number}" if one.change_number is not None else ""
    return {
        "words": one.words,
        "depth": one.depth,
        "url": f"/credentials/CRED-{one.number}/" if seen else "",
        "lives": one.life == "lives",
        "life": _life(one) if goes else f"another identity's, not stopped from here: {_life(one)}",
        "ends": one.ends,
        "change": change,
        "change_url": f"/revocations/{change}/" if change and seen else "",
    }


def _life(one: Below) -> str:
    if one.life in LIFE:
        return LIFE[one.life]
    state = WAITS.get(one.change_state or "", "")
    return f"lives: {state}" if state else "lives"


def before(
    credential: Credential, root: Identity, *, others: bool = True, now: datetime
) -> tuple[str, list[str]]:
    """What goes along when this is held or revoked, and who else uses that, in one sentence, "" where
    nothing does; and the names of what stands, which would make somebody think again. `others`:
    whether what is another identity's goes along (permissions.stops_others)."""
    all_ = issued.below([credential.pk], step="revoke", now=now, most=MOST)
    found = [one for one in all_ if others or one.identity in (None, root.pk)]
    left = len(all_) - len(found)
    stays = (
        f" Issued to other identities, and not stopped from here: {counted(left, 'credential')}."
    )
    if not found:
        return (stays.strip() if left else ""), []
    said = ", ".join(f"{one.words}{_until(one)}" for one in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
    many = counted(len(found), "credential")
    words = f"It issued {many} that may work and go with it: {said}{more}."
    shared = _shared([one.credential for one in found if one.credential], root, now=now)
    if shared:
        words += f" Used by others as well, who lose them too: {', '.join(shared)}."
    words += stays if left else ""
    return words, sorted(one.value for one in found if one.standing)


def _until(one: Below) -> str:
    return f" (until {one.ends:%-d %b %H:%M} UTC)" if one.ends is not None else ""


def _shared(keys: Sequence[UUID], root: Identity, *, now: datetime) -> list[str]:
    rows = Credential.objects.select_related("actor", "identity").filter(pk__in=keys)
    uses, _ = sharing.of(list(rows), [], root.pk, now=now)
    found = sorted({(use.name, use.how) for those in uses.values() for use in those})
    said = [f"{name} ({how})" for name, how in found[:MOST_NAMED]]
    return said + ([f"{len(found) - MOST_NAMED:,} more"] if len(found) > MOST_NAMED else [])
