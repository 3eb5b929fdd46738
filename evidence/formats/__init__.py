"""The evidence formats: how to know one by its content, and how to read it.

Owns the list of formats. To add one, write its module beside these and name it here. Pure.
"""

from evidence.formats import cloudtrail, otlp
from evidence.formats.record import Format

FORMATS: dict[str, Format] = {known.name: known for known in (cloudtrail.FORMAT, otlp.FORMAT)}


def recognise(body: bytes) -> str | None:
    """The name of the format that a (decompressed) body is in; None when it is none of ours."""
    for name, known in FORMATS.items():
        if known.recognise(body):
            return name
    return None
