"""What becomes of a pack that was taken out: who fetches its file, and to whom it was given.

Owns the rows of transfers. Who gives a pack to somebody outside says so with the digest of what was
given; later packs of the same thing name it among their custody.
"""

import runpy
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from evidence import ledger
from evidence.models import Pack, Transfer
from identities.models import User
from identities.permissions import NotPossible, require
from reviews.packs import ordering, subjects, writing

LONGEST = 300
LONGEST_PURPOSE = 2_000
NOT_THERE = "What it is of is not there for you any more."


def why_not_fetch(user: User, pack: Pack, *, now: datetime) -> str | None:
    """Why this user may not fetch its file: it shows what its taker may see, and only while so."""
    if pack.by != user.ref:
        return f"{pack.by_name} took it out: ask for one that shows what you may see."
    subject = subjects.find(pack.subject, user, now=now)
    if subject is None:
        return NOT_THERE
    if pack.state == "ready" and pack.kept_until is not None:
        return subjects.why_not_take(user, subject, now=now)
    return "It was given out at once." if pack.state == "ready" else f"{pack.key} has no file."


def check(pack: Pack) -> dict[str, object]:
    """What the script inside says of the file as it lies here, by the keys that this app keeps."""
    script = runpy.run_path(str(Path(settings.BASE_DIR) / "scripts" / writing.SCRIPT))
    found: dict[str, object] = script["verify"](str(ordering.path_of(pack)))
    return found


def why_not_hand_over(user: User, pack: Pack) -> str | None:
    """Why this user may not write down that it was given to somebody outside."""
    if pack.by != user.ref:
        return f"{pack.by_name} took it out, and says to whom it was given."
    if pack.state not in ("ready", "gone"):
        return f"{pack.key} is not made."
    return None


def hand_over(
    pack: Pack,
    *,
    to_name: str,
    organisation: str,
    purpose: str,
    on_behalf: str,
    digest: str,
    by: User,
    now: datetime,
) -> Transfer:
    """Write down that these bytes were given to this person outside. `digest`: the SHA-256 of the
    file that was given, as hex; it has to be this pack's."""
    require(why_not_hand_over(by, pack))
    said = {
        "to_name": to_name.strip()[:LONGEST],
        "organisation": organisation.strip()[:LONGEST],
        "purpose": purpose.strip()[:LONGEST_PURPOSE],
    }
    if not all(said.values()):
        raise NotPossible("Say who gets it, of which organisation, and what for.")
    if digest.strip().lower() != bytes(pack.digest or b"").hex():
        raise NotPossible(f"That is not the SHA-256 of {pack.key}: it is another file.")
    on_behalf = on_behalf.strip()[:LONGEST]
    with transaction.atomic():
        row = Transfer.objects.create(
            pack=pack,
            at=now,
            by=by.ref,
            by_name=by.called,
            on_behalf=on_behalf,
            digest=bytes(pack.digest or b""),
            **said,
        )
        for_whom = f" on behalf of {on_behalf}" if on_behalf else ""
        ledger.append(
            at=now, by=by.ref, by_name=by.called, act="pack.transferred", subject=pack.subject,
            words=f"{by.called} gave {pack.key} of {pack.subject} to {said['to_name']},"
            f" {said['organisation']}{for_whom}: {said['purpose']}",
            data={
                "pack": pack.key,
                "sha256": bytes(row.digest).hex(),
                "to": said["to_name"],
                "organisation": said["organisation"],
                "on_behalf": on_behalf,
            },
            sealed_case=pack.sealed_case,
        )  # fmt: skip
    return row
