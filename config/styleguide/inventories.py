"""Sample contexts of what systems list of themselves: the inventory's page, unclaimed actors."""

from typing import Any

from config.styleguide.samples import at

type Sample = dict[str, Any]

HINTS = [
    {"words": "owner?", "value": "payments@example.org", "seen_in": "tag Owner"},
    {"words": "code?", "value": "terraform/users.tf", "seen_in": "tag git_file"},
    {"words": "CMDB?", "value": "CI0042", "seen_in": "tag cmdb-id"},
]


def listed() -> Sample:
    """One unclaimed actor as its system's list has it, with a key."""
    key = {
        "status": "held", "kind": "access key", "short": "AKIA…QP7D", "created_at": at("08:00", 1, 3),
        "last_used_at": None, "expires_at": None,
    }  # fmt: skip
    return {
        "kind": "IAM user", "title": "nobody", "status": "active", "created_at": at("08:00", 1, 2),
        "expires_at": at("00:00", 1, 12), "last_used_at": at("15:02"), "gone_at": None,
        "read_at": at("15:40"), "source": "finance-prod", "source_url": "/sources/finance-prod/inventory/",
        "hints": HINTS, "credentials": [key], "more": 3,
    }  # fmt: skip


def inventory() -> Sample:
    """A reading in part, a later one that failed, and some of what is listed."""
    read = {
        "state": "partial", "found": 289, "new": 12, "changed": 4, "gone": 3, "pages": 9,
        "at": at("15:40"), "by": "schedule", "problem": "", "fix": "", "not_before": None,
        "refused": ["access keys"],
    }  # fmt: skip
    row = {
        "id": 7, "kind": "IAM user", "title": "svc-report", "value": "arn:aws:iam::123456789012:user/svc-report",
        "short": "arn:aws:iam::123456789012:user/svc-report", "events_url": "/events/", "holder": "",
        "status": "active", "created_at": at("08:00", 1, 2), "expires_at": None,
        "last_used_at": at("15:02"), "since": at("09:00"), "hints": HINTS,
        "missing": "policies of the organisation, of resources and of sessions are not read",
    }  # fmt: skip
    return {
        "source": {"name": "finance-prod", "title": "AWS finance-prod", "url": "/sources/finance-prod/"},
        "inventory": {
            "url": "/sources/finance-prod/inventory/", "system": "AWS", "identities": 214, "credentials": 75,
            # Nothing is under way: a page that polls would ask for what the guide does not have.
            "last": read, "live": None,
            "failed": {**read, "state": "failed", "problem": "AWS does not accept the credentials of this source.", "fix": "Set an access key that is active, and its secret."},
            "plan": {"every_seconds": 21_600, "paused": True, "next_at": None},
            "acts": [
                {"words": "Read now", "url": "/sources/finance-prod/inventory/read/", "icon": "refresh", "why_not": "", "hidden": []},
                {"words": "Go on reading", "url": "/sources/finance-prod/inventory/pause/", "icon": "player-play", "why_not": "Only an administrator may do this.", "hidden": []},
            ],
        },
        "lists": [
            {"name": "users and roles", "state": "done", "words": "", "found": 214, "new": 12, "gone": 3, "unread": 0, "said": "", "fix": ""},
            {"name": "access keys", "state": "failed", "words": "refused", "found": 0, "new": 0, "gone": 0, "unread": 2, "said": "AWS refused iam:ListAccessKeys on user svc-report.", "fix": "Allow iam:ListAccessKeys for the user or role of this source."},
        ],
        "rows": [
            row,
            {**row, "id": 6, "kind": "access key", "title": "", "value": "AKIAIOSFODNN7EXAMPLE", "short": "AKIA…MPLE", "holder": row["value"], "status": "held", "expires_at": at("00:00", 1, 12), "hints": [], "missing": ""},
        ],
        "why_not_rows": "",
        "page": {"first": 0, "last": 0, "total": None, "prev_url": "", "next_url": "?before=6"},
    }  # fmt: skip
