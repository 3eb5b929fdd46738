"""How a sign-in, a call or a change ended, as Entra's codes and words say it.

Owns which codes mean refused and which mean interrupted. Source: "Microsoft Entra authentication
and authorization error codes". Pure.
"""

from evidence.formats.microsoft import of_texts
from evidence.formats.tables import Row
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN


def _coded(code: str | None, reason: str | None) -> str | None:
    return ": ".join(part for part in (code, reason) if part) or None


# The code and the reason of a failure.
error = of_texts(
    _coded,
    ("status.errorCode", "resultType", "responseStatusCode"),
    ("status.failureReason", "resultDescription", "resultReason"),
)

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
    # Of provisioning: there was nothing to do, and more may be said elsewhere.
    "skipped",
    "warning",
    "unknown",
    "unknownfuturevalue",
]
_WORDS = {
    **dict.fromkeys(_INTERRUPTED, OUTCOME_UNKNOWN),
    **dict.fromkeys(_REFUSED, OUTCOME_REFUSED),
    **dict.fromkeys(("0", "success", "succeeded"), OUTCOME_OK),
    **{str(code): OUTCOME_OK for code in (*range(200, 207), 302, 304)},
}


_NUMBERS = {int(word): ended for word, ended in _WORDS.items() if word.isdecimal()}


def _ended(found: str | None) -> int:
    return OUTCOME_UNKNOWN if found is None else _WORDS.get(found.lower(), OUTCOME_FAILED)


_otherwise = of_texts(_ended, ("status.errorCode", "responseStatusCode", "result", "resultType"))


def ended(record: Row) -> int:
    """The outcome of a sign-in, a call or a change."""
    status = record.get("status")
    code = status.get("errorCode") if type(status) is dict else None
    return _NUMBERS.get(code, OUTCOME_FAILED) if type(code) is int else _otherwise(record)
