"""Django's migrate, with the app's role before; its rights and the roles of people afterwards."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as Migrate
from django.db import connections
from django.utils import timezone

from config import grants
from config.environment import SettingsError
from evidence import partitions
from evidence.models import Event
from identities.actions import logins
from reviews import seeds


class Command(Migrate):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        reads_only = any(options.get(name) for name in ("plan", "check_unapplied"))
        if not reads_only:
            try:
                grants.ensure_role(connection, login=grants.app_login())
            except SettingsError as problem:
                raise CommandError(str(problem)) from problem
        super().handle(*args, **options)
        if not reads_only:
            grants.apply(connection)
            if Group._meta.db_table in connection.introspection.table_names():
                logins.ensure_roles()
            if Authenticator._meta.db_table in connection.introspection.table_names():
                seeds.seal_all()
            if Event._meta.db_table in connection.introspection.table_names():
                partitions.ahead(timezone.now())
            if tables := grants.unnamed(connection):
                raise CommandError(grants.why_unnamed(tables))
