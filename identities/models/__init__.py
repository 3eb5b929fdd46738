"""Who it is, what they may do, and making it stop, as rows."""

from .authority import Delegation, DelegationVersion, Entitlement
from .behaviour import (
    Attribution,
    CredentialAgent,
    CredentialWatch,
    Finding,
    FindingEvent,
    UsageDay,
)
from .enforcement import Revocation, RevocationTry
from .identity import (
    Attestation,
    Binding,
    Credential,
    CredentialState,
    Identity,
    IdentityState,
    Service,
)
from .inventory import DiscoveredRights, Discovery, InventoryPlan, InventoryRead
from .people import ApiToken, Membership, Party, Person, SignInLink, Team, User

__all__ = [
    "ApiToken",
    "Attestation",
    "Attribution",
    "Binding",
    "Credential",
    "CredentialAgent",
    "CredentialState",
    "CredentialWatch",
    "Delegation",
    "DelegationVersion",
    "DiscoveredRights",
    "Discovery",
    "Entitlement",
    "Finding",
    "FindingEvent",
    "Identity",
    "IdentityState",
    "InventoryPlan",
    "InventoryRead",
    "Membership",
    "Party",
    "Person",
    "Revocation",
    "RevocationTry",
    "Service",
    "SignInLink",
    "Team",
    "UsageDay",
    "User",
]
