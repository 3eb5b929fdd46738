"""How many records one body may have, asked while it is read. Pure."""

# Records of one body, read or not: more of them are so short that they say nothing.
MOST_RECORDS = 500_000


class TooManyRecords(Exception):
    """A body has more records than one may have: the rest of it is not read."""


def require_few(records: int) -> None:
    """Raises TooManyRecords. Asked while a body is read: a few kilobytes unpack to millions."""
    if records > MOST_RECORDS:
        raise TooManyRecords(
            f"the body has more than the {MOST_RECORDS:,} records that one may have: send it in parts"
        )
