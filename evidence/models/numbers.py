"""Numbers people say aloud (CS-12, NHI-4): PostgreSQL sequences, never re-used."""

from typing import Any

from django.db import models


class NextNumber(models.Func):
    """The next number of a sequence that a migration made."""

    output_field = models.BigIntegerField()

    def __init__(self, sequence: str, **extra: Any) -> None:
        self.sequence = sequence
        super().__init__(template=f"nextval('{sequence}')", **extra)

    def deconstruct(self) -> tuple[str, tuple[str], dict[str, Any]]:
        return ("evidence.models.numbers.NextNumber", (self.sequence,), {})
