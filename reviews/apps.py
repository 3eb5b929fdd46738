"""The app of what people decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in

if TYPE_CHECKING:
    from django.http import HttpRequest

    from identities.models import User


class ReviewsConfig(AppConfig):
    name = "reviews"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the layers below, which know no cases, whose signature waits, what may be given,
        which cases are sealed and what a signed policy lets tokens do."""
        from evidence import withheld as rows_withheld
        from identities import causes, permissions
        from identities.actions import changes, leaving, teams
        from identities.actions.grants import lacking
        from identities.api import deciding
        from reviews import enrolled, enrolling, owner_permissions, seeds
        from reviews.actions import policy_versions, second_signatures, team_changes
        from reviews.break_glass import offered
        from reviews.incidents import alerts
        from reviews.sealing import withheld

        seeds.connect()
        enrolling.connect()
        permissions.lacks_factor = enrolled.why_not_without_factor
        # Who is the second person for findings, people, links and alerts.
        for name, kind in (second_signatures.KINDS | {alerts.KIND: alerts.Settling()}).items():
            changes.kind(name, kind)
        leaving.waits_for(owner_permissions.waited_for)
        teams.sign(team_changes)
        lacking.offered_by(offered.offered)
        rows_withheld.everywhere = withheld.everywhere
        causes.sealed = withheld.sealed
        deciding.allowed_by = policy_versions.lets_tokens
        user_logged_in.connect(_signed_in, dispatch_uid="reviews.break_glass_account")


def _signed_in(sender: object, request: HttpRequest, user: User, **_: object) -> None:  # noqa: ARG001 -- named by Django
    """A break-glass account alarms however it comes in."""
    from django.utils import timezone

    from reviews import accounts

    if not hasattr(request, "break_glass_use") and accounts.live().filter(user=user).exists():
        methods = request.session.get("account_authentication_methods", [])
        by_key = bool(methods) and methods[-1].get("method") == "mfa"
        accounts.signed_in(
            user,
            "passkey" if by_key else "other",
            accounts.address_of(request),
            now=timezone.now(),
        )
