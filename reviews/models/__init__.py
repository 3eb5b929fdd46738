"""What people decide, as rows."""

from .attention import Burst, Provisional
from .campaigns import Campaign, CampaignIdentity, CampaignPause
from .cases import Case, CaseMember, Decision, Item, Pinned, Seat, Withdrawal
from .notices import Notice
from .policies import Heartbeat, ReviewPolicy
from .queue import QueueSetting
from .rungs import Rung

__all__ = [
    "Burst",
    "Campaign",
    "CampaignIdentity",
    "CampaignPause",
    "Case",
    "CaseMember",
    "Decision",
    "Heartbeat",
    "Item",
    "Notice",
    "Pinned",
    "Provisional",
    "QueueSetting",
    "ReviewPolicy",
    "Rung",
    "Seat",
    "Withdrawal",
]
