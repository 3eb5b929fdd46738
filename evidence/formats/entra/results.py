"""How a sign-in, a call or a change ended, as Entra's codes and words say it.

Owns which codes mean refused and which mean interrupted. Source: "Microsoft Entra authentication
and authorization error codes". Pure.
"""

from evidence.formats.microsoft import anywhere
from evidence.formats.tables import Row
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN

_reason = anywhere("status.failureReason", "resultDescription", "resultReason")
_code = anywhere("status.errorCode", "resultType", "responseStatusCode")


def error(record: Row) -> str | None:
    """The code and the reason of a failure."""
    reason, code = _reason(record), _code(record)
    return ": ".join(part for part in (code, reason) if part) or None


_result = anywhere("status.errorCode", "responseStatusCode", "result", "resultType")
# Refused by a policy or by the state of the account; interrupted, which says nothing yet.
_REFUSED = [
    "50020",
    "50053",
    "50057",
    "50105",
    "50131",
    "50177",
    "50178",
    "53000",
    "53001",
    "53002",
    "53003",
    "53004",
    "53009",
    "53010",
    "53011",
    "65001",
    "65004",
    "70043",
    "90094",
    "90095",
    "500021",
    "530021",
    "530031",
    "530032",
    "530033",
    "530034",
    "7000112",
    "700027",
    "401",
    "403",
]
_INTERRUPTED = [
    "16000",
    "16001",
    "50058",
    "50072",
    "50074",
    "50076",
    "50079",
    "50097",
    "50125",
    "50127",
    "50129",
    "50140",
    "50143",
    "50144",
    "50158",
    "50199",
    "51006",
    "81010",
    "81012",
    "none",
    "unknown",
    "unknownfuturevalue",
]
_WORDS = {
    **dict.fromkeys(_INTERRUPTED, OUTCOME_UNKNOWN),
    **dict.fromkeys(_REFUSED, OUTCOME_REFUSED),
    **dict.fromkeys(("0", "success", "succeeded"), OUTCOME_OK),
    **{str(code): OUTCOME_OK for code in (*range(200, 207), 302, 304)},
}


def ended(record: Row) -> int:
    """The outcome of a sign-in, a call or a change."""
    found = _result(record)
    return OUTCOME_UNKNOWN if found is None else _WORDS.get(found.lower(), OUTCOME_FAILED)
