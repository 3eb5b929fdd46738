"""What people decide, as rows."""

from .accounts import AccountAttempt, AccountUse, BreakGlassAccount, SealedCode
from .attention import Burst, Provisional
from .automatic import AutomaticHold, HoldRule
from .break_glass import BreakGlass, Bundle
from .campaigns import Campaign, CampaignIdentity, CampaignPause, CampaignStep
from .cases import Case, CaseMember, Decision, Item, Pinned, Seat, Stage, Withdrawal
from .comments import Comment
from .freezes import Freeze
from .modes import ModeRule, Quarantine
from .notices import FAST, GATHERED, HELD, Notice
from .on_call import Rota, Shift
from .outcome_brakes import OutcomeBrake
from .owning import EndStep, OwnerOffer, Succession, SuccessionItem
from .planted import PlantedAnswer, PlantedItem, Planting
from .policies import Heartbeat, LateEvidence, ReviewPolicy
from .queue import QueueSetting
from .rungs import Rung
from .sealed import SealedCredential, SealedDrill, SealedEvent, SealedUse
from .shares import ShareDay
from .triggers import OwnerSeen, Trigger

__all__ = [
    "FAST",
    "GATHERED",
    "HELD",
    "AccountAttempt",
    "AccountUse",
    "AutomaticHold",
    "BreakGlass",
    "BreakGlassAccount",
    "Bundle",
    "Burst",
    "Campaign",
    "CampaignIdentity",
    "CampaignPause",
    "CampaignStep",
    "Case",
    "CaseMember",
    "Comment",
    "Decision",
    "EndStep",
    "Freeze",
    "Heartbeat",
    "HoldRule",
    "Item",
    "LateEvidence",
    "ModeRule",
    "Notice",
    "OutcomeBrake",
    "OwnerOffer",
    "OwnerSeen",
    "Pinned",
    "PlantedAnswer",
    "PlantedItem",
    "Planting",
    "Provisional",
    "Quarantine",
    "QueueSetting",
    "ReviewPolicy",
    "Rota",
    "Rung",
    "SealedCode",
    "SealedCredential",
    "SealedDrill",
    "SealedEvent",
    "SealedUse",
    "Seat",
    "ShareDay",
    "Shift",
    "Stage",
    "Succession",
    "SuccessionItem",
    "Trigger",
    "Withdrawal",
]
