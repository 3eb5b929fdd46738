"""What bundles that are in force may give any night: told to the layer below, which asks for rights."""

from collections.abc import Iterator

from identities.actions.grants import What
from identities.enforcers.contract import Permission
from reviews.models import Bundle

from .rights import document_of


def offered() -> Iterator[What]:
    """What each of them gives, in the words of its target's system."""
    for row in Bundle.objects.filter(state="in_force").order_by("pk"):
        found = document_of(row)
        target = found.target
        yield What(
            system=target.system,
            account=target.account,
            kind=target.kind,
            name=target.name,
            permissions=(Permission(found.actions, found.resources),),
            extra=dict(target.extra),
        )
