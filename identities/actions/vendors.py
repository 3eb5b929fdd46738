"""What is stated of an external integration: where its evidence ends, who answers at the vendor, until
when there is a contract, what data leaves, and what the vendor has attested.

Owns those fields and VendorAttestation rows. Nothing here stops anything: that our logs do not show
an integration is no reason to cut it.
"""

from dataclasses import asdict, dataclass
from datetime import date, datetime

from django.db import transaction

from identities import as_read, permissions
from identities.acting import acting
from identities.models import Identity, User, VendorAttestation
from identities.permissions import NotPossible

from .identities import locked, record

LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Stated:
    """All that is stated of one integration; what is empty is not known."""

    evidence_boundary: str = ""
    vendor_contact: str = ""
    contract_ends_at: datetime | None = None
    data_leaving: str = ""


def stands(identity: Identity) -> list[object]:
    """What is stated of it, for the mark of a form that replaces all of it."""
    return [getattr(identity, name) for name in Stated.__dataclass_fields__]


def describe(
    *, identity: Identity, said: Stated, by: User, now: datetime, read: str | None = None
) -> Identity:
    """State it anew; what was said before stays in the ledger. `read`: the mark of what stood there
    when the form was opened (identities/as_read.py)."""
    with transaction.atomic():
        identity = locked(identity.pk)
        permissions.require(permissions.why_not_describe(by, identity, now=now))
        _is_integration(identity)
        as_read.require_same(read, stands(identity), what=f"What is stated of {identity.name}")
        given = {
            name: _text(value) if isinstance(value, str) else value
            for name, value in asdict(said).items()
        }
        changed = {}
        for name, value in given.items():
            before = getattr(identity, name)
            if before != value:
                changed[name] = [str(before or ""), str(value or "")]
                setattr(identity, name, value)
        if not changed:
            return identity
        identity.save(update_fields=list(given))
        names = ", ".join(name.replace("_", " ") for name in changed)
        record(
            identity,
            by=by,
            now=now,
            act="integration.described",
            words=f"{acting(by).name} stated of {identity.name}: {names}",
            data={"changed": changed},
        )
    return identity


def attested(
    *,
    identity: Identity,
    what: str,
    stated_on: date,
    valid_until: date | None,
    reference: str,
    by: User,
    now: datetime,
) -> VendorAttestation:
    """Record what the vendor has attested, from when to when, and where the document is."""
    with transaction.atomic():
        identity = locked(identity.pk)
        permissions.require(permissions.why_not_describe(by, identity, now=now))
        _is_integration(identity)
        if by.person is None:
            raise NotPossible("Recording it needs a person behind the login.")
        what, reference = _text(what), _text(reference)
        if not what:
            raise NotPossible("Say what the vendor has attested, as SOC 2 type II report.")
        if stated_on > now.date():
            raise NotPossible("The vendor cannot have stated it in the future.")
        if valid_until is not None and valid_until < stated_on:
            raise NotPossible("It cannot end before it begins.")
        row = VendorAttestation.objects.create(
            identity=identity,
            what=what,
            stated_on=stated_on,
            valid_until=valid_until,
            reference=reference,
            recorded_at=now,
            recorded_by=by.person,
        )
        until = f", valid until {valid_until:%Y-%m-%d}" if valid_until else ""
        record(
            identity,
            by=by,
            now=now,
            act="integration.attested",
            words=f"The vendor of {identity.name} attested on {stated_on:%Y-%m-%d}: {what}{until}"[
                :1_000
            ],
            data={"attestation": str(row.pk), "reference": reference},
        )
    return row


def _is_integration(identity: Identity) -> None:
    if identity.kind != "integration":
        raise NotPossible(
            f"{identity.name} is no external integration: it has no vendor to speak of."
        )


def _text(said: str) -> str:
    said = said.strip()
    if len(said) > LONGEST or "\0" in said:
        raise NotPossible(f"Write at most {LONGEST:,} characters that can be stored.")
    return said
