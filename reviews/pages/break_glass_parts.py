"""One break-glass case, read once for all the parts of its page and for scripts."""

from datetime import datetime

from identities.actions import grants
from identities.models import User
from reviews.break_glass import comparing, rights
from reviews.models import BreakGlass, Case, Decision, Item


class Parts:
    """What several parts of the page need, read once."""

    def __init__(self, case: Case, user: User, *, now: datetime) -> None:
        self.case, self.user, self.now = case, user, now
        rows = BreakGlass.objects.select_related(
            "bundle", "asker", "person", "vouched_person", "reviewed_person", "incident", "capsule"
        )
        self.glass = rows.get(case=case)
        case.break_glass = self.glass
        self.says = rights.document_of(self.glass.bundle)
        self.items = list(case.items.order_by("position"))
        self.item: Item = next(
            (one for one in reversed(self.items) if one.outcome == ""), self.items[0]
        )
        self.decisions = list(
            Decision.objects.filter(item__case=case, superseded_at__isnull=True)
            .select_related("person", "item")
            .order_by("at", "pk")
        )
        self.grants = grants.state_of(case.pk, now=now)
        self.compared = comparing.compare(self.glass, now=now)

    @property
    def path(self) -> str:
        return f"/break-glass/{self.case.key}/"

    @property
    def live(self) -> bool:
        return self.case.state == "carrying_out" and self.glass.opened_at is not None

    def item_actions(self) -> list[str]:
        return list(self.items[0].proposal["actions"])

    def over(self) -> bool:
        return self.case.state not in ("open", "carrying_out")

    @property
    def ends_at(self) -> datetime | None:
        """When it ends, or ended: its grants say it, which a first use may have brought forward."""
        ends = [one.grant.ending_at or one.ends_at for one in self.grants]
        return max(ends, default=self.glass.ends_at)
