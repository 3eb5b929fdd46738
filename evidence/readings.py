"""What a deposit's page shows of how it was read, and the way to have it read again.

Owns the words around the rows; must not know of requests.
"""

from typing import Any

from evidence import known
from evidence.models import Deposit, Reading, Rereading
from evidence.permissions import Reader

SHOWN = 10


def context(deposit: Deposit, by: Reader) -> dict[str, Any]:
    """What a deposit's page shows of its readings."""
    live = Rereading.objects.filter(deposit=deposit, state=Rereading.RUNNING).first()
    last = Rereading.objects.filter(deposit=deposit).order_by("-pk").first()
    rows = Reading.objects.filter(deposit=deposit).select_related("rereading").order_by("-pk")
    plain = known.plain(deposit.format)
    return {
        "live": live is not None,
        "problem": last.problem if last is not None else "",
        "why_not": by.why_not_administer or "",
        "reread_url": f"/deposits/{deposit.pk}/reread/",
        "formats": [
            {"value": name, "words": title, "on": name == plain} for name, title in known.titles()
        ],
        "rows": [
            {
                "at": one.read_at,
                "by": "" if one.rereading is None else one.rereading.asked_name,
                "before": f"{one.format_before}, version {one.version_before}",
                "now": f"{one.format}, version {one.version}",
                "counts": ", ".join(f"{many} {name}" for name, many in one.counts.items() if many),
            }
            for one in rows[:SHOWN]
        ],
    }
