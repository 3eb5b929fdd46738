"""Every system whose lists can be read: one module each.

Owns the list. To add one, write its module beside these and name it here.
"""

from evidence.models import Connection
from identities.inventory import aws, github, graph, kubernetes, okta
from identities.inventory.contract import System

SYSTEMS: list[System] = [
    aws.SYSTEM,
    okta.SYSTEM,
    graph.SYSTEM,
    kubernetes.SYSTEM,
    github.SYSTEM,
]


def system_of(link: Connection) -> System | None:
    """The system that a connection leads to; None where it has no lists."""
    return next((one for one in SYSTEMS if one.fits(link.connector, link.settings)), None)
