"""Which paths of Vault an enforcer has to be allowed, and with which capabilities.

Owns the policy that docs/enforcers.md shows, and asking the server what of it we have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .contract import MissingRight, Target, plain
from .vault_server import Api
from .web import Refused

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


def lacking(api: Api, wanted: Mapping[str, Sequence[str]]) -> list[MissingRight]:
    """What our policies lack of these capabilities by path, as the server itself counts them."""
    account = api.at.account
    try:
        answer = api.ask(
            "POST",
            "sys/capabilities-self",
            right="ask what it may do (sys/capabilities-self)",
            body={"paths": sorted(wanted)},
        )
    except Refused as problem:
        return [MissingRight(problem.right, account, problem.reason)]
    found, missing = api.data(answer), []
    for path, capabilities in sorted(wanted.items()):
        ours = found.get(path)
        ours = ours if isinstance(ours, list) else []
        without = [] if "root" in ours else [one for one in capabilities if one not in ours]
        if without:
            listed = ", ".join(f'"{one}"' for one in capabilities)
            sentence = f'In Countersign\'s policy: path "{path}" {{ capabilities = [{listed}] }}'
            right = f"{' and '.join(without)} {path}"
            missing.append(MissingRight(right, account, plain(sentence)))
    return missing
