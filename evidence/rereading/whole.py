"""What of a deposit is kept as it was received, so that the digest of its record can be told again.

Of what the door took something out of, the received record is gone, and with it that way.
"""

from collections.abc import Collection

import orjson

from evidence.formats import escaping
from evidence.models import Deposit

LIST = b'{"Records":['
# What stands where something was taken out at the door (evidence/privacy.py, formats/dropping.py).
_TAKEN = (b"[redacted:", b"[content:")


def whole_elements(deposit: Deposit, body: bytes, wanted: Collection[int]) -> set[int]:
    """Those of these elements that are kept as they were received."""
    kinds = deposit.redactions.get("kinds", {})
    if not kinds:
        return set(wanted)
    if not body.startswith(LIST):
        return set()
    # A statement that lost its values shows a question mark in their place.
    marks = (*_TAKEN, b"?") if "content" in kinds else _TAKEN
    listed = escaping.loads(body)["Records"]
    return {
        element
        for element in wanted
        if not any(mark in orjson.dumps(listed[element]) for mark in marks)
    }
