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
    "Entitlement",
    "Finding",
    "FindingEvent",
    "Identity",
    "IdentityState",
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
