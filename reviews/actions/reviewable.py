"""Which rows there are to decide about of identities, and how many items they make.

Owns the queries; what an item says of its row is proposing.py.
"""

from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from identities.models import Binding, Credential, DelegationVersion, Entitlement, Identity

# Of one kind: short-lived credentials are reviewed by what issues them, and ten thousand sessions
# are no items.
MOST = 200


def count(identities: QuerySet[Identity], *, now: datetime) -> dict[UUID, int]:
    """How many items `propose` would give each identity: at least itself."""
    found: dict[UUID, int] = {}
    owned = {"delegation": "delegation__grantee"}
    for kind, rows in {
        "delegation": delegations(now).filter(delegation__grantee__in=identities),
        "entitlement": entitlements(now).filter(identity__in=identities),
        "credential": credentials().filter(identity__in=identities),
        "binding": bindings(now).filter(identity__in=identities),
    }.items():
        of = owned.get(kind, "identity")
        what = "delegation" if kind == "delegation" else "pk"
        for identity, many in rows.values_list(of).annotate(n=Count(what, distinct=True)):
            most = MOST if kind in ("credential", "binding") else many
            found[identity] = found.get(identity, 0) + min(many, most)
    return dict.fromkeys(identities.order_by().values_list("pk", flat=True), 1) | found


def delegations(now: datetime) -> QuerySet[DelegationVersion]:
    return DelegationVersion.objects.filter(
        superseded_at__isnull=True, state__in=["in_force", "proposed"]
    ).filter(Q(during__endswith__isnull=True) | Q(during__endswith__gt=now))


def entitlements(now: datetime) -> QuerySet[Entitlement]:
    return Entitlement.objects.filter(superseded_at__isnull=True, during__contains=now)


def credentials() -> QuerySet[Credential]:
    return Credential.objects.filter(standing=True, state__in=["active", "held"])


def bindings(now: datetime) -> QuerySet[Binding]:
    return Binding.objects.filter(
        state="proposed", superseded_at__isnull=True, during__contains=now
    )
