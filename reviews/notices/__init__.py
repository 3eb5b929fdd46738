"""Notices going out: the outbox's worker, mail, and signed webhooks.

The only place of reviews that talks to the outside (docs/decisions, 18). A notice carries links
and no evidence; who may follow them is judged when they do.
"""

from .outbox import send_next, turn

__all__ = ["send_next", "turn"]
