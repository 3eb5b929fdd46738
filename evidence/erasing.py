"""Content removed for good: one person asks, another confirms, a task carries it out.

Owns what people say about an `Erasure`, and who may; evidence/emptying.py carries it out. What goes
are the bytes of a deposit or of one record in it, the excerpts of rejects, the texts of its events,
the same rows in capsules, and names that nothing else needs; what stays says that something was
there: the deposit's digests, the event's time, id and place, and tombstones with who, why and when.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from evidence import ledger, locks, nudge, permissions, pieces, withheld
from evidence.locks import Lock
from evidence.models import Capsule, Deposit, Erasure, LegalHold, Tombstone
from evidence.permissions import NotPossible, Reader
from evidence.words import counted

LONGEST_REASON = 2_000
LIVE = (Erasure.ASKED, Erasure.CONFIRMED)
# Whether events or frozen rows of a deposit still say anything, or name anybody.
SAYS = """
SELECT EXISTS (
    SELECT FROM evidence_deposit d
    JOIN evidence_event e ON e.at BETWEEN d.first_at AND d.last_at AND e.deposit_id = d.id
    JOIN evidence_term t ON t.id = e.action_id
    WHERE d.id = %(deposit)s AND (t.value <> '[erased]'
        OR num_nonnulls(e.principal_id, e.credential_id, e.agent_id, e.on_behalf_id) > 0)
) OR EXISTS (
    SELECT FROM evidence_capsule c CROSS JOIN LATERAL jsonb_array_elements(c.body -> 'events') l
    WHERE c.body -> 'deposits' @> jsonb_build_array(jsonb_build_object('id', %(deposit)s::text))
    AND l ->> 'deposit' = %(deposit)s::text AND (l ->> 'action' <> '[erased]'
        OR num_nonnulls(l ->> 'principal', l ->> 'credential', l ->> 'agent', l ->> 'on_behalf') > 0)
)
"""


def ask(
    *,
    deposit: Deposit,
    ordinal: int | None,
    names: bool,
    reason: str,
    by: Reader,
    now: datetime,
    short: Sequence[str] = (),
) -> Erasure:
    """Ask that the content of a deposit, or of its record number `ordinal`, be removed; `short`:
    pieces of it that go wherever somebody quotes them alone."""
    permissions.require(by.why_not_administer)
    if not reason.strip():
        raise NotPossible("Say why this has to be removed.")
    if ordinal is not None and not 0 <= ordinal < deposit.records:
        raise NotPossible(f"Deposit {deposit.pk} has no record {ordinal}: they begin with 0.")
    with transaction.atomic():
        lock(deposit)
        require_kept(deposit, ordinal)
        row, made = Erasure.objects.get_or_create(
            deposit=deposit,
            ordinal=ordinal,
            state__in=LIVE,
            defaults={
                "names": names,
                "pieces": list(short),
                "reason": reason.strip()[:LONGEST_REASON],
                "state": Erasure.ASKED,
                "asked_at": now,
                "asked_by": by.ref,
                "asked_name": by.name,
                "asked_person": by.person,
            },
        )
        if not made:
            raise NotPossible(f"{row.asked_name} has asked for this already.")
        pieces.require(row)
        _write(
            row,
            by,
            now,
            act="erasure.asked",
            words=f"asks to erase {what(row)}{_short(row)}: {row.reason}",
        )
    return row


def why_not_confirm(erasure: Erasure, by: Reader) -> str | None:
    """Why this reader is not the second person."""
    if by.why_not_administer is not None:
        return by.why_not_administer
    if not by.ref.startswith("user:"):
        return "A second person confirms this, signed in."
    if by.ref == erasure.asked_by or (by.person and by.person == erasure.asked_person):
        return "You asked for it: somebody else has to confirm."
    if not by.person:
        return "This login is nobody's: a confirmation needs a person behind it."
    return None


def confirm(*, erasure: Erasure, by: Reader, now: datetime) -> Erasure:
    """The second person's word: the content goes at once."""
    permissions.require(why_not_confirm(erasure, by))
    with transaction.atomic():
        row = _waiting(erasure)
        require_free(row)
        row.state, row.settled_at = Erasure.CONFIRMED, now
        row.settled_by, row.settled_name = by.ref, by.name
        row.save(update_fields=["state", "settled_at", "settled_by", "settled_name"])
        _write(
            row,
            by,
            now,
            act="erasure.confirmed",
            words=f"confirms erasing {what(row)}{_short(row)}",
        )
        nudge.after_commit("erasure.confirmed")
    return row


def refuse(*, erasure: Erasure, reason: str, by: Reader, now: datetime) -> Erasure:
    """It stays. Whoever asked may take it back this way."""
    permissions.require(by.why_not_administer)
    if not reason.strip():
        raise NotPossible("Say why it stays.")
    with transaction.atomic():
        row = _waiting(erasure)
        row.state, row.settled_at = Erasure.REFUSED, now
        row.settled_by, row.settled_name = by.ref, by.name
        row.settled_reason = reason.strip()[:LONGEST_REASON]
        row.pieces = []
        row.save(
            update_fields=[
                "state", "settled_at", "settled_by", "settled_name", "settled_reason", "pieces"
            ]
        )  # fmt: skip
        _write(
            row,
            by,
            now,
            act="erasure.refused",
            words=f"refuses to erase {what(row)}: {row.settled_reason}",
        )
    return row


def what(erasure: Erasure) -> str:
    """What is to go, in words."""
    if erasure.ordinal is None:
        said = f"the content of deposit {erasure.deposit_id}"
    else:
        said = f"record {erasure.ordinal} of deposit {erasure.deposit_id}"
    return f"{said}, and the names in it" if erasure.names else said


def _short(erasure: Erasure) -> str:
    """How many pieces are named; the ledger never says which."""
    count = len(erasure.pieces)
    return f", and {counted(count, 'short piece')} of it wherever it is quoted" if count else ""


def require_kept(deposit: Deposit, ordinal: int | None) -> None:
    """Raise NotPossible when this content is gone already, everywhere."""
    gone = Tombstone.objects.filter(deposit=deposit).filter(
        Q(ordinal=None) if ordinal is None else Q(ordinal=None) | Q(ordinal=ordinal)
    )
    if gone.exists() and not says(deposit):
        raise NotPossible("This content is gone already.")


def says(deposit: Deposit) -> bool:
    """Whether events or capsules still say anything of a deposit, whatever became of its bytes."""
    with connection.cursor() as cursor:
        cursor.execute(SAYS, {"deposit": deposit.pk})
        return bool(cursor.fetchone()[0])


def require_free(erasure: Erasure) -> None:
    """Raise NotPossible while a legal hold or a case that is not over needs this content."""
    deposit = erasure.deposit
    hold = LegalHold.objects.filter(Q(deposit=deposit), released_at=None).first()
    if hold is not None:
        raise NotPossible(f"A legal hold needs it: {hold.reason}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT evidence_frozen_is_held(%s)", [erasure.pk])
        (because,) = cursor.fetchone()
    if because is not None:
        raise NotPossible(f"It is held by {_unnamed(because)}: release that first.")
    if deposit.first_at is None or deposit.last_at is None:
        return
    ordinal = "" if erasure.ordinal is None else " AND e.ordinal = %s"
    values = [] if erasure.ordinal is None else [erasure.ordinal]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT h.because FROM evidence_held(%s, %s + interval '1 microsecond') h"  # noqa: S608 - our own condition; values are parameters
            " JOIN evidence_event e ON e.at = h.at AND e.id = h.event_id"
            f" WHERE e.deposit_id = %s{ordinal} ORDER BY 1 LIMIT 1",
            [deposit.first_at, deposit.last_at, deposit.pk, *values],
        )
        row = cursor.fetchone()
    if row is not None:
        raise NotPossible(f"It is held by {_unnamed(row[0])}: release or close that first.")


def _unnamed(because: str) -> str:
    return withheld.everywhere().unnamed(because)


def why_not_read_again(deposit: Deposit) -> str:
    """Why a deposit is not read anew: what was erased would come back, and what is to be would be
    another record. Until the transaction ends nobody erases from it; empty: it may be."""
    lock(deposit)
    if Tombstone.objects.filter(deposit=deposit).exists():
        return "its content, or a record of it, was erased or let go of"
    if Erasure.objects.filter(deposit=deposit, state__in=LIVE).exists():
        return "somebody asked to erase it, or a record of it"
    return ""


def why_waits(erasure: Erasure) -> str:
    """Why a confirmed erasure is not carried out: what holds it by now; empty: nothing does."""
    if erasure.state != Erasure.CONFIRMED or erasure.emptied_at is not None:
        return ""
    try:
        require_free(erasure)
    except NotPossible as problem:
        return str(problem)
    return ""


def became_words(erasure: Erasure) -> str:
    """What it reached besides the deposit, in words; empty before it is done."""
    became = erasure.became
    if "capsules" not in became:
        return ""
    said = [counted(became["capsules"], "capsule"), counted(became["texts"], "text")]
    if became.get("rows"):
        said.append(f"{counted(became['rows'], 'row')} that quoted it")
    if erasure.names:
        kept = became["names_kept"]
        said.append(
            f"{counted(became['names'], 'name')}; {counted(kept, 'name')}"
            f" {'stays' if kept == 1 else 'stay'}, because other evidence or a record needs"
            f" {'it' if kept == 1 else 'them'}"
            if kept
            else counted(became["names"], "name")
        )
    if "pieces" in became:
        kept = became["pieces_kept"]
        said.append(
            counted(became["pieces"], "short piece")
            + (
                f"; {kept:,} more {'stays' if kept == 1 else 'stay'}, because other evidence says"
                f" {'it' if kept == 1 else 'them'}"
                if kept
                else ""
            )
        )
    return ", ".join(said)


def copies(deposit: Deposit) -> list[str]:
    """Where the same content lies besides: what people must know before they ask."""
    twins = Deposit.objects.filter(kept_digest=deposit.kept_digest).exclude(pk=deposit.pk)
    said = [
        f"deposit {one} holds the same bytes and is not touched"
        for one in twins.values_list("pk", flat=True)[:5]
    ]
    if deposit.records > deposit.rejects + deposit.old + deposit.events:
        said.append("some of its records came in other deposits first; erase those too")
    frozen = Capsule.objects.filter(body__deposits__contains=[{"id": str(deposit.pk)}])
    # A sealed case has none that anybody else knows of.
    frozen = frozen.exclude(subject__in=withheld.everywhere().keys)
    said += [
        f"{one.key} holds rows of it for a decision: they lose their words too"
        for one in frozen.order_by("number")[:5]
    ]
    return said


def lock(deposit: Deposit) -> None:
    """One erasure of a deposit at a time, until the transaction ends."""
    with connection.cursor() as cursor:
        locks.take(cursor, Lock.ERASURE, deposit.pk)


def _waiting(erasure: Erasure) -> Erasure:
    row = (
        Erasure.objects.select_for_update(of=("self",))
        .select_related("deposit__source")
        .get(pk=erasure.pk)
    )
    if row.state != Erasure.ASKED:
        raise NotPossible(f"This is {row.state} already.")
    return row


def _write(row: Erasure, by: Reader, now: datetime, *, act: str, words: str) -> None:
    ledger.append(
        at=now,
        by=by.ref,
        by_name=by.name,
        act=act,
        subject=f"source:{row.deposit.source.name}",
        words=f"{by.name} {words}",
        data={"erasure": str(row.pk), "deposit": str(row.deposit_id), "ordinal": row.ordinal},
    )
