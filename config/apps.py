"""The house as a Django app: its commands win over Django's, and nudges find their way."""

from django.apps import AppConfig


class HouseConfig(AppConfig):
    name = "config"
    label = "house"
    verbose_name = "House"

    def ready(self) -> None:
        # Here and not in config/__init__.py, which the keeper imports without Celery.
        from config import celery

        celery.connect_nudges()
        # Evidence knows no people: who sees what of it is said from above (decisions 2).
        from evidence import permissions
        from reviews import readers

        permissions.lookup = readers.reader
