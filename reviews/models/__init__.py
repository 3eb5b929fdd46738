"""What people decide, as rows."""

from .accounts import AccountAttempt, AccountUse, BreakGlassAccount, SealedCode
from .alerts import Alert, AlertDeposit
from .attention import Burst, Provisional
from .automatic import AutomaticHold, HoldRule
from .break_glass import BreakGlass, Bundle
from .campaigns import Campaign, CampaignIdentity, CampaignPause, CampaignStep
from .cases import Case, CaseMember, Decision, Item, Pinned, Seat, Stage, Withdrawal
from .comments import Comment
from .containment import (
    CaseTicket,
    ContainmentStep,
    ContainmentTarget,
    Playbook,
    PlaybookRun,
    TicketMessage,
    TicketWord,
)
from .freezes import Freeze
from .incidents import (
    Conclusion,
    ConclusionEvent,
    HandOver,
    Question,
    Room,
    RoomRole,
    Task,
)
from .modes import ModeRule, Quarantine
from .notices import FAST, GATHERED, HELD, Notice
from .on_call import Rota, Shift
from .outcome_brakes import OutcomeBrake
from .owning import EndStep, OwnerOffer, Succession, SuccessionItem
from .planted import PlantedAnswer, PlantedItem, Planting
from .policies import Heartbeat, LateEvidence, ReviewPolicy
from .queue import QueueSetting
from .recoveries import Recovery, SecondFactorRule
from .rungs import Rung
from .sealed import SealedCredential, SealedDecision, SealedDrill, SealedEvent, SealedUse
from .sealing import CaseSubject, Sealing
from .shares import ShareDay
from .timeline import EventNote, Mark
from .triggers import OwnerSeen, Trigger

__all__ = [
    "FAST",
    "GATHERED",
    "HELD",
    "AccountAttempt",
    "AccountUse",
    "Alert",
    "AlertDeposit",
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
    "CaseSubject",
    "CaseTicket",
    "Comment",
    "Conclusion",
    "ConclusionEvent",
    "ContainmentStep",
    "ContainmentTarget",
    "Decision",
    "EndStep",
    "EventNote",
    "Freeze",
    "HandOver",
    "Heartbeat",
    "HoldRule",
    "Item",
    "LateEvidence",
    "Mark",
    "ModeRule",
    "Notice",
    "OutcomeBrake",
    "OwnerOffer",
    "OwnerSeen",
    "Pinned",
    "PlantedAnswer",
    "PlantedItem",
    "Planting",
    "Playbook",
    "PlaybookRun",
    "Provisional",
    "Quarantine",
    "Question",
    "QueueSetting",
    "Recovery",
    "ReviewPolicy",
    "Room",
    "RoomRole",
    "Rota",
    "Rung",
    "SealedCode",
    "SealedCredential",
    "SealedDecision",
    "SealedDrill",
    "SealedEvent",
    "SealedUse",
    "Sealing",
    "Seat",
    "SecondFactorRule",
    "ShareDay",
    "Shift",
    "Stage",
    "Succession",
    "SuccessionItem",
    "Task",
    "TicketMessage",
    "TicketWord",
    "Trigger",
    "Withdrawal",
]
