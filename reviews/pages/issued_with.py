"""What a credential issued, as pages name it: what goes with it, how far each is, until when it lives.

Owns the rows of components/issued_with.html and the sentence before a signature. What is walked is
identities/issued.py's. Constant queries.
"""

from collections import Counter
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
    root = [row.credential_id]
    asked: dict[str, Any] = {"step": row.step, "now": now, "since": row.number, "most": MOST}
    found = issued.below(root, lives=issued.ALL, **asked)
    taken = issued.below(
        root,
        lives=issued.ALL,
        spares_own=row.spares_own,
        takes_made=row.takes_made,
        **asked,
    )
    goes = {one.actor for one in taken if row.takes(one.identity)}
    keys = [one.credential for one in found if one.credential is not None]
    seen = set(visible.credentials(user, now=now).filter(pk__in=keys).values_list("pk", flat=True))
    stays = {one.actor: _stays(one, row) for one in found if one.actor not in goes}
    return [_row(one, one.credential in seen, stays.get(one.actor, "")) for one in found]


def _stays(one: Below, row: Revocation) -> str:
    """Why it does not go along."""
    if not row.takes(one.identity):
        return "another identity's, not stopped from here"
    if one.made or not row.spares_own:
        return "not stopped with it: only a person or an incident stops what was made"
    return "not stopped: its own runs issued or use it"


def _row(one: Below, seen: bool, stays: str) -> dict[str, Any]:
    change = f"REV-{one.change_number}" if one.change_number is not None else ""
    return {
        "words": one.words,
        "depth": one.depth,
        "url": f"/credentials/CRED-{one.number}/" if seen else "",
        "lives": one.life == "lives",
        "life": f"{stays}: {_life(one)}" if stays else _life(one),
        "ends": one.ends,
        "change": change,
        "change_url": f"/revocations/{change}/" if change and seen else "",
    }


def _life(one: Below) -> str:
    if one.life in LIFE:
        return LIFE[one.life]
    if one.made and one.change_state == "failed":
        return "not stopped: remove it by hand, and state it with a file that shows it"
    state = WAITS.get(one.change_state or "", "")
    return f"lives: {state}" if state else "lives"


def before(
    credential: Credential,
    root: Identity,
    *,
    others: bool = True,
    made: bool = True,
    now: datetime,
) -> tuple[str, list[str]]:
    """What goes along when this is held or revoked, and who else uses that, in one sentence, "" where
    nothing does; and the names of what stands, which would make somebody think again. `others`:
    whether what is another identity's goes along (permissions.stops_others); `made`: whether the
    users and roles do that it made."""
    all_ = issued.below([credential.pk], step="revoke", takes_made=made, now=now, most=MOST)
    found = [one for one in all_ if others or one.identity in (None, root.pk)]
    left = len(all_) - len(found)
    stays = (
        f" Issued to other identities, and not stopped from here: {counted(left, 'credential')}."
    )
    if not found:
        return (stays.strip() if left else ""), []
    said = ", ".join(f"{one.words}{_until(one)}" for one in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
    did = "issued or made" if any(one.made for one in found) else "issued"
    words = f"It {did} {_many(found)} that may work and go with it: {said}{more}."
    shared = _shared([one.credential for one in found if one.credential], root, now=now)
    if shared:
        words += f" Used by others as well, who lose them too: {', '.join(shared)}."
    words += stays if left else ""
    return words, sorted(one.value for one in found if one.standing or one.made)


def when_replaced(credential: Credential, root: Identity, *, incident: bool, now: datetime) -> str:
    """What becomes of it when this is replaced, in one sentence; "" where it issued nothing."""
    key = [credential.pk]
    all_ = issued.below(key, step="revoke", takes_made=incident, now=now, most=MOST)
    if not all_ or not incident:
        return "With the answer replace, none of that is stopped." if all_ else ""
    ends = issued.below(key, step="revoke", spares_own=True, now=now, most=MOST)
    ending = {one.actor for one in ends}
    own = [one.words for one in all_ if one.actor not in ending]
    when = "With the answer replace, it is stopped when its date comes"
    if not own:
        return f"{when}: no run of {root.name} is known to have issued or to use any of it."
    more = f" and {len(own) - MOST_NAMED:,} more" if len(own) > MOST_NAMED else ""
    return (
        f"{when}, but for what runs of {root.name} issued or use:"
        f" {', '.join(own[:MOST_NAMED])}{more}."
    )


def _many(found: Sequence[Below]) -> str:
    """How many of each: "2 credentials, 1 user"."""
    kinds = Counter(one.kind.replace("_", " ") if one.made else "credential" for one in found)
    plurals = {"policy": "policies"}
    return ", ".join(counted(many, kind, plurals.get(kind, "")) for kind, many in kinds.items())


def _until(one: Below) -> str:
    return f" (until {one.ends:%-d %b %H:%M} UTC)" if one.ends is not None else ""


def _shared(keys: Sequence[UUID], root: Identity, *, now: datetime) -> list[str]:
    rows = Credential.objects.select_related("actor", "identity").filter(pk__in=keys)
    uses, _ = sharing.of(list(rows), [], root.pk, now=now)
    found = sorted({(use.name, use.how) for those in uses.values() for use in those})
    said = [f"{name} ({how})" for name, how in found[:MOST_NAMED]]
    return said + ([f"{len(found) - MOST_NAMED:,} more"] if len(found) > MOST_NAMED else [])
