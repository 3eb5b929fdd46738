"""Who it is, what they may do, and making it stop, as rows."""

from .authority import Delegation, DelegationVersion, Entitlement
from .behaviour import (
    Attribution,
    CallerAddress,
    CredentialAgent,
    CredentialPrincipal,
    CredentialWatch,
    Finding,
    FindingEvent,
    Rejudging,
    SignInAddress,
    UsageDay,
)
from .changes import ProposedChange
from .claims import Claim, ClaimAnswer, ClaimDay, ClaimRefusal, ClaimWave
from .enforcement import Circuit, Revocation, RevocationTry
from .grants import Grant, GrantSession, GrantSignIn, GrantTry
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
from .linking import LinkProposal, Making
from .outgoing import OutgoingSwitch
from .owning import OwnerChange, VendorAttestation
from .people import ApiToken, Membership, Party, Person, SignInLink, Team, User
from .releases import Manifest, NewUse
from .signals import SignalEvent, SignalReceiver, SignalSet, SignalStream, SignalSubject
from .unfinished import Batch, BatchRow, Rights, Statement

__all__ = [
    "ApiToken",
    "Attestation",
    "Attribution",
    "Batch",
    "BatchRow",
    "Binding",
    "CallerAddress",
    "Circuit",
    "Claim",
    "ClaimAnswer",
    "ClaimDay",
    "ClaimRefusal",
    "ClaimWave",
    "Credential",
    "CredentialAgent",
    "CredentialPrincipal",
    "CredentialState",
    "CredentialWatch",
    "Delegation",
    "DelegationVersion",
    "DiscoveredRights",
    "Discovery",
    "Entitlement",
    "Finding",
    "FindingEvent",
    "Grant",
    "GrantSession",
    "GrantSignIn",
    "GrantTry",
    "Identity",
    "IdentityState",
    "InventoryPlan",
    "InventoryRead",
    "LinkProposal",
    "Making",
    "Manifest",
    "Membership",
    "NewUse",
    "OutgoingSwitch",
    "OwnerChange",
    "Party",
    "Person",
    "ProposedChange",
    "Rejudging",
    "Revocation",
    "RevocationTry",
    "Rights",
    "Service",
    "SignInAddress",
    "SignInLink",
    "SignalEvent",
    "SignalReceiver",
    "SignalSet",
    "SignalStream",
    "SignalSubject",
    "Statement",
    "Team",
    "UsageDay",
    "User",
    "VendorAttestation",
]
