"""The house as a Django app: its commands win over Django's, and nudges find their way."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin


class HouseConfig(AppConfig):
    default = True
    name = "config"
    label = "house"
    verbose_name = "House"

    def ready(self) -> None:
        # Here and not in config/__init__.py, which the keeper imports without Celery.
        from config import celery

        celery.connect_nudges()
        # Evidence knows no people: who sees what of it is said from above (decisions 2).
        from evidence import contradictions, permissions, second_person
        from identities import source_conflicts
        from identities.actions import source_changes
        from reviews import readers

        permissions.lookup = readers.reader
        second_person.ask = source_changes.ask
        contradictions.found = source_conflicts.by_source


class AdminConfig(admin.AdminConfig):
    """Django's admin with our site."""

    default = False
    default_site = "config.admin.Site"
