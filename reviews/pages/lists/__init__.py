"""Lists that people work from: identities, findings, credentials, AI systems.

Each returns the context of its template; paged, with a constant number of queries, and says what of
its address it did not understand.
"""

from .found import OF_FINDINGS, cases_of, finding_row, findings, named
from .keys import OF_CREDENTIALS, credential_row, credentials
from .paging import PAGES, PER_PAGE, choice, page_of
from .registered import OF_IDENTITIES, OF_SYSTEMS, UNDER_WAY, ai_systems, fresh, identities

__all__ = [
    "OF_CREDENTIALS",
    "OF_FINDINGS",
    "OF_IDENTITIES",
    "OF_SYSTEMS",
    "PAGES",
    "PER_PAGE",
    "UNDER_WAY",
    "ai_systems",
    "cases_of",
    "choice",
    "credential_row",
    "credentials",
    "finding_row",
    "findings",
    "fresh",
    "identities",
    "named",
    "page_of",
]
