"""Everything that a sweep may write of some cases, without what differs from run to run.

Used to compare sweeps: numbers of revocations become their rank within an identity, ids go.
"""

import re
from collections.abc import Iterable
from typing import Any

from evidence.models import LedgerEntry
from identities.models import Credential, DelegationVersion, IdentityState, Revocation
from reviews.models import Case, Notice, Quarantine, Rung

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NUMBER = re.compile(r"\b(REV|DLG|CRED|CS|NHI)-(\d+)")


def written(cases: Iterable[Case]) -> dict[str, dict[str, list[str]]]:
    """By the title of the case: table -> its rows, in the order in which they were written."""
    return {case.title: _of(Case.objects.get(pk=case.pk)) for case in cases}


def _of(case: Case) -> dict[str, list[str]]:
    identity = case.identity
    subjects = [case.key] + ([] if identity is None else [identity.key])
    items = case.items.order_by("position")
    rows: dict[str, Any] = {
        "case": [[case.state, case.silence, case.silence_done_at, case.decided_at, case.version]],
        "items": items.values_list(
            "kind", "outcome", "held", "outcome_at", "snapshot", "due_at", "carried_out_at",
            "carried_words",
        ),
        "rungs": Rung.objects.filter(case=case).order_by("after", "pk").values_list(
            "does", "at", "state", "done_at", "held_why"
        ),
        "notices": Notice.objects.filter(case=case.pk).order_by("person__name", "occasion")
        .values_list("person__name", "occasion", "subject", "body"),
        "quarantines": Quarantine.objects.filter(case=case).order_by("item__position").values_list(
            "since", "until", "state", "item__position"
        ),
        "identity": [[identity.state if identity is not None else ""]],
        "states": IdentityState.objects.filter(identity=identity).order_by("during", "pk")
        .values_list("state", "during", "recorded_at", "superseded_at", "because", "by"),
        "revocations": Revocation.objects.filter(identity=identity).order_by("number").values_list(
            "step", "system", "target", "words", "state", "requested_at", "requested_by_name",
            "because", "case_key", "credential__actor__value", "effective_at", "not_before",
        ),
        "credentials": Credential.objects.filter(identity=identity).order_by("number")
        .values_list("actor__value", "state"),
        "delegations": DelegationVersion.objects.filter(delegation__grantee=identity)
        .order_by("delegation__slug", "version")
        .values_list(
            "delegation__slug", "version", "state", "actions", "during", "revoked_at",
            "superseded_at", "signed", "case", "by",
        ),
    }  # fmt: skip
    for subject in subjects:
        entries = LedgerEntry.objects.filter(subject=subject).order_by("pk")
        kind = "ledger of the case" if subject == case.key else "ledger of the identity"
        rows[kind] = entries.values_list("at", "recorded_at", "by", "act", "words", "data")
    rank: dict[str, str] = {}
    if identity is not None:
        numbers = Revocation.objects.filter(identity=identity).order_by("number")
        rank = {str(n): f"REV-the-{place}" for place, n in enumerate(
            numbers.values_list("number", flat=True))}  # fmt: skip
    return {name: [_plain(row, rank) for row in found] for name, found in rows.items()}


def _plain(row: Any, rank: dict[str, str]) -> str:
    text = UUID.sub("id", repr(row))
    return NUMBER.sub(
        lambda found: rank.get(found[2], "REV-?") if found[1] == "REV" else f"{found[1]}-n", text
    )
