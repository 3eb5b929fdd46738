"""Records that are older than what is read of their source: what is said of them, and what to do.

They lie in the bytes of their deposits, are counted there, and are no events. What is old is decided
by evidence/intake/admitting.py; reading their deposits again reads what fits by then.
"""

from datetime import datetime

from evidence.models import Source
from evidence.partitions import MOST_NEW
from evidence.words import counted

LONGEST_RETENTION_DAYS = 36_600


def words(source: Source, many: int, oldest: datetime | None, *, now: datetime) -> str:
    """What to do with so many of them; empty where there are none. `oldest`: the first's time."""
    if not many or oldest is None:
        return ""
    said = (
        f"{counted(many, 'record is', 'records are')} kept as old, and nothing is concluded from"
        f" {'it' if many == 1 else 'them'}. To have"
        f" {'it' if many == 1 else 'them'} read: "
    )
    days = (now - oldest).days + 1
    if days > LONGEST_RETENTION_DAYS:
        said += f"nothing is read that is older than {LONGEST_RETENTION_DAYS:,} days; for the rest "
        days = LONGEST_RETENTION_DAYS
    if days > source.retention_days:
        said += (
            f"keep {source.name} for {counted(days, 'day')} (Custody on its page, or `manage.py"
            f" source retention {source.name} {days} --reason …`), then "
        )
    return (
        f"{said}run `manage.py reread --source {source.name}`, which reads up to {MOST_NEW} more"
        " months of each deposit each time."
    )
