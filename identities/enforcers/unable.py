"""The steps that a system does not have: each refused, with what to do instead.

An enforcer whose system has few steps begins with all of them refused and writes its own over
them. Must not know any one system.
"""

from abc import ABC, abstractmethod
from typing import Any

from .contract import PermanentFailure, Sent, Target


class Unable(ABC):
    """Every step but revoking, refused for the reason that `cannot` gives."""

    @abstractmethod
    def cannot(self, target: Target, step: str) -> str:
        """Why this step is not there for this target, and what is; "" where it is there."""

    def not_possible(self, target: Target, step: str) -> PermanentFailure:
        return PermanentFailure(
            f"{target.name}: {self.cannot(target, step)}", who_must_act="whoever asked for it"
        )

    def hold(self, target: Target, **_: Any) -> Sent:
        raise self.not_possible(target, "hold")

    def release(self, target: Target, **_: Any) -> Sent:
        raise self.not_possible(target, "release")

    def allowed(self, target: Target, **_: Any) -> dict[str, str]:
        raise self.not_possible(target, "reading of what is allowed")

    def narrow(self, target: Target, **_: Any) -> Sent:
        raise self.not_possible(target, "narrow")

    def suspend(self, target: Target, **_: Any) -> Sent:
        raise self.not_possible(target, "suspend")

    def resume(self, target: Target, **_: Any) -> Sent:
        raise self.not_possible(target, "resume")
