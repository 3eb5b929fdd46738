"""Which paths of Vault an enforcer has to be allowed, and with which capabilities.

Owns the policy that docs/enforcers.md shows. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from .contract import Target

UPDATE: tuple[str, ...] = ("update",)
# Of every server, whatever there is to end.
ALWAYS = {
    "auth/token/lookup-accessor": UPDATE,
    "auth/token/revoke-accessor": UPDATE,
    "sys/leases/lookup": UPDATE,
    "sys/leases/revoke": UPDATE,
}


def needed(targets: Sequence[Target]) -> dict[str, tuple[str, ...]]:
    """The capabilities by path, for these targets."""
    found = dict(ALWAYS)
    for one in targets:
        match one.kind:
            case "entity":
                found[f"identity/entity/id/{one.name}"] = ("read", "update")
            case "secret_id":
                role = one.extra.get("role", "")
                found[role] = ("read",)
                found[f"{role}/secret-id-accessor/lookup"] = UPDATE
                found[f"{role}/secret-id-accessor/destroy"] = UPDATE
            case "lease_prefix":
                found[f"sys/leases/lookup/{one.name}"] = ("list", "sudo")
                found[f"sys/leases/revoke-prefix/{one.name}"] = ("update", "sudo")
            case _:
                pass
    return found
