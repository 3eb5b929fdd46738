"""Which sources contradict each other, for the pages of sources. Evidence judges nothing: the app
above says it when it starts (config/apps.py).
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple


class Contradiction(NamedTuple):
    """What one source contradicts, or what contradicts it, while findings of it are open."""

    words: str  # "contradicts trail", without an end
    calls: int
    since: datetime  # of the first call
    url: str  # of the finding, or of all of the pair


# By the name of a source; set from above.
found: Callable[[], dict[str, list[Contradiction]]] = dict
