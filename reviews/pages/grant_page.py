"""One grant: where it stands, how its holder uses it, what was handed out and tried.

Owns the context of templates/grant.html. The sentences are identities/actions/grants'.
"""

from datetime import datetime
from typing import Any

from django.conf import settings

from identities.actions import grants
from identities.actions.grants import rights, systems
from identities.models import Grant, User

MOST_TRIES = 50


def context(row: Grant, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/grant.html."""
    (shown,) = grants.seen([row], now=now)
    about = systems.kind_of(row.system, row.kind)
    mints = about.mints if about is not None else ""
    identity = row.delegation.grantee
    why_not_take = rights.why_not_take(user, row, now=now)
    return {
        "section": "cases",
        "title": row.words,
        "crumbs": [{"words": "Home", "url": "/"}]
        + ([{"words": row.case_key, "url": f"/cases/{row.case_key}/"}] if row.case_key else []),
        "now": now,
        "row": row,
        "shown": shown,
        "identity": {"words": identity.name, "url": f"/identities/{identity.key}/"},
        "mints": mints,
        "gives": [
            {"actions": ", ".join(one["actions"]), "resources": ", ".join(one["resources"])}
            for one in row.permissions
        ],
        "mine": row.person == user.username,
        "why_not_take": why_not_take or "",
        "lines": _lines(row, mints),
        "console_url": f"/grants/{row.key}/console/" if mints == "aws" else "",
        "tries": list(row.tries.order_by("-at", "-pk")[:MOST_TRIES]),
        "proofs": [
            {
                "words": words,
                "detail": row.proof[name]["detail"],
                "at": datetime.fromisoformat(row.proof[name]["at"]),
            }
            for name, words in (("granted", "Given"), ("removed", "Gone"))
            if name in row.proof
        ],
        "acts": _acts(row, user),
        "ledger_url": f"/ledger/?subject={identity.key}",
    }


def _acts(row: Grant, user: User) -> list[dict[str, Any]]:
    if row.state != "failed":
        return []
    why = rights.why_not_retry(user, row) or ""
    url = f"/grants/{row.key}/retry/"
    return [{"words": "Try it again", "url": url, "icon": "refresh", "why_not": why}]


def _lines(row: Grant, mints: str) -> str:
    """What the holder writes down once; nothing of it is a secret."""
    asks = f"countersign_credentials.py {row.key} --url {settings.BASE_URL}"
    if mints == "aws":
        return (
            f"aws configure set profile.{row.key}.credential_process \\\n"
            f'  "python3 {asks}"\n'
            f"aws --profile {row.key} sts get-caller-identity"
        )
    if mints == "kubernetes":
        words = " ".join(f"--exec-arg={one}" for one in asks.split())
        return (
            f"kubectl config set-credentials {row.key} \\\n"
            "  --exec-api-version=client.authentication.k8s.io/v1 \\\n"
            "  --exec-interactive-mode=IfAvailable --exec-command=python3 \\\n"
            f"  {words}\n"
            f"kubectl --user {row.key} auth whoami"
        )
    return f'export VAULT_TOKEN="$(python3 {asks} --field token)"' if mints else ""
