"""One request to a place over HTTP, through the guarded client, and what its failures mean."""

from datetime import datetime

import httpx
from django.conf import settings

from evidence.sources import outside
from evidence.sources.failures import Later, Stopped
from evidence.sources.patience import Patience, Slow

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
LARGEST = 1 << 20


def posted(
    url: str, body: bytes, headers: dict[str, str], *, now: datetime
) -> tuple[httpx.Headers, bytes]:
    """POST, and what came with a 2xx. Raises Later where waiting helps, else Stopped."""
    try:
        with (
            outside.client(
                allow_private=bool(settings.ALLOW_PRIVATE),
                patience=Patience(lambda: None),
                timeout=TIMEOUT,
            ) as client,
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            status, said = answer.status_code, answer.headers
            wait = outside.retry_after(answer, now=now)
            found = bytearray()
            for part in answer.iter_bytes():
                found += part
                if len(found) > LARGEST:
                    raise Stopped("It answered with more than 1 MiB.", "Look at its address.")
    except (outside.Refused, httpx.InvalidURL) as problem:
        raise Stopped(
            f"Its address is refused: {problem}.", "Correct its address in the anchors' settings."
        ) from None
    except outside.NotResolved as problem:
        raise Later(str(problem)) from None
    except (httpx.HTTPError, Slow) as problem:
        raise Later(f"{type(problem).__name__} while asking it") from None
    if status in (408, 425, 429) or status >= 500:
        raise Later(f"it answered {status}", wait)
    if not 200 <= status < 300:
        raise Stopped(f"It answered {status}.", "Look at its address and at what it allows.")
    return said, bytes(found)
