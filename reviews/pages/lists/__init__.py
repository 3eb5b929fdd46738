"""Lists that people work from: identities, findings, credentials, delegations, revocations, systems.

Each returns the context of its template; paged, with a constant number of queries, and says what of
its address it did not understand.
"""

from .found import OF_FINDINGS, cases_of, finding_row, findings, named, settled_by
from .granted import OF_DELEGATIONS, delegations
from .keys import OF_CREDENTIALS, credential_row, credentials, key_row, matching_credentials
from .paging import PAGES, PER_PAGE, choice, page_of, taken_out
from .registered import (
    OF_IDENTITIES,
    OF_SYSTEMS,
    UNDER_WAY,
    ai_systems,
    first_systems,
    fresh,
    identities,
    matching_identities,
)
from .stopping import OF_REVOCATIONS, WAITS, not_effective, revocations

__all__ = [
    "OF_CREDENTIALS",
    "OF_DELEGATIONS",
    "OF_FINDINGS",
    "OF_IDENTITIES",
    "OF_REVOCATIONS",
    "OF_SYSTEMS",
    "PAGES",
    "PER_PAGE",
    "UNDER_WAY",
    "WAITS",
    "ai_systems",
    "cases_of",
    "choice",
    "credential_row",
    "credentials",
    "delegations",
    "finding_row",
    "findings",
    "first_systems",
    "fresh",
    "identities",
    "key_row",
    "matching_credentials",
    "matching_identities",
    "named",
    "not_effective",
    "page_of",
    "revocations",
    "settled_by",
    "taken_out",
]
