"""Alerts of another system: it posts them to us by itself, so nothing is asked of it.

Owns the settings of such a source: what its webhooks are signed with, and from which severity on an
alert opens an incident. The door is above (reviews/incidents), which knows identities and cases.
"""

from collections.abc import Iterator

from evidence.formats.alerts import NAME, SEVERITIES
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried

NEVER = "never"
# From this severity on; what is below is listed.
OPENS = Field(
    "opens",
    "Opens an incident",
    "choice",
    required=False,
    help="from this severity on, of an identity that is known; what is below is listed; empty: never",
    choices=(NEVER, *SEVERITIES),
)


def pages(asked: Asked) -> Iterator[Page]:  # noqa: ARG001 - the shape of a connector
    """There is nothing to ask for: it is sent."""
    return iter(())


def check(asked: Asked) -> Iterator[Check]:
    def secret() -> str:
        asked.secret("secret")
        return "the secret is there; the sender's own test shows whether it has the same"

    yield tried("read the signing secret", secret)


CONNECTOR = Connector(
    name=NAME,
    title="Alerts (signed webhook)",
    format="",
    plane="identity",
    fields=(
        Field(
            "secret",
            "Signing secret",
            "secret",
            help="whsec_… of Standard Webhooks, 24 to 64 bytes in base64",
        ),
        Field(
            "secret_before",
            "The secret before it",
            "secret",
            required=False,
            help="holds as well, until the sender has the new one",
        ),
        OPENS._replace(default="high"),
    ),
    pages=pages,
    check=check,
    # What is not sent nobody misses.
    gap_free=False,
    needs="whoever runs that system enters our address and the secret there",
)
