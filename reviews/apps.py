"""The app of what people decide."""

from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    name = "reviews"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Tell the layer below, which knows no cases, whose signature waits."""
        from identities.actions import leaving, teams
        from reviews import owner_permissions
        from reviews.actions import team_changes

        leaving.waits_for(owner_permissions.waited_for)
        teams.sign(team_changes)
