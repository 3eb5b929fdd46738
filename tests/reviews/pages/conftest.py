"""The whole story for tests of pages through Django's client."""

from tests.planted import planted

__all__ = ["planted"]
