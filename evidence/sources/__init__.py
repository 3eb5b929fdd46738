"""Everything that is asked for evidence: one module a system, read-only.

Owns the list. To add one, write its module beside these and name it here.
"""

from evidence.sources import okta
from evidence.sources.contract import Connector

CONNECTORS: dict[str, Connector] = {one.name: one for one in (okta.CONNECTOR,)}
