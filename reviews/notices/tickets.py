"""Whether a ticket exists, asked of its tracker while somebody asks for break-glass.

Owns one GET to the address that a signed bundle names, bounded in time and size. A tracker that
does not answer is Temporary; one that says no is Permanent.
"""

from urllib.parse import quote

import httpx
from django.conf import settings

from evidence.sources import outside
from evidence.sources.outside import NotResolved, Refused
from evidence.sources.patience import Patience, Slow

from .failures import Permanent, Temporary

TIMEOUT = httpx.Timeout(4.0, connect=2.0)


def look_up(hook: str, ticket: str) -> str:
    """What the tracker says, in a word, of a ticket that is there. Raises Permanent, Temporary."""
    address = hook.replace("{ticket}", quote(ticket, safe=""))
    try:
        with (
            outside.client(
                allow_private=bool(settings.ALLOW_PRIVATE),
                patience=Patience(lambda: None),
                timeout=TIMEOUT,
            ) as client,
            client.stream("GET", address) as answer,
        ):
            status = answer.status_code
    except (Refused, httpx.InvalidURL) as problem:
        raise Permanent(f"the address of its tracker is refused: {problem}") from problem
    except (NotResolved, httpx.HTTPError, Slow) as problem:
        raise Temporary(f"its tracker does not answer ({type(problem).__name__})") from problem
    if status in (404, 410):
        raise Permanent("its tracker knows no such ticket")
    if 200 <= status < 300:
        return "there"
    if status < 500 and status not in (401, 403, 408, 425, 429):
        raise Permanent(f"its tracker answered {status}")
    raise Temporary(f"its tracker answered {status}")
