"""Entries of an audit log of Vault, as the tests that follow or receive one write them."""

import json
from typing import Any


def entry(number: int, kind: str = "response") -> dict[str, Any]:
    """An audit entry of Vault."""
    return {
        "time": f"2026-11-24T11:{number // 60 % 60:02}:{number % 60:02}.123456789Z",
        "type": kind,
        "auth": {
            "accessor": "hmac-sha256:" + "b" * 64,
            "display_name": "approle",
            "entity_id": "e-0001",
            "token_type": "service",
        },
        "request": {
            "id": f"req-{number}",
            "operation": "read",
            "path": "secret/data/books/db",
            "mount_type": "kv",
            "remote_address": "198.51.100.7",
        },
    }


def entries(first: int, last: int) -> str:
    return "".join(json.dumps(entry(number)) + "\n" for number in range(first, last))
