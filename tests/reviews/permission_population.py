"""The rows of the table of permissions: of the population."""

from collections.abc import Iterator

from identities.permissions import INACTIVE
from reviews.population import rights

from .conftest import NOW
from .permission_world import Row


def of_population() -> Iterator[Row]:
    for name, said in (
        ("otto", None),
        ("root", None),
        ("rita", rights.WHO),
        ("ines", rights.WHO),
        ("off", INACTIVE),
    ):
        yield Row(
            "rights.why_not_population",
            lambda w, name=name: rights.why_not_population(w.user(name), now=NOW),  # type: ignore[misc]  # a default binds it
            said,
        )
