"""Refuses to serve the web as root: who finds a hole in it would have the whole machine."""

import os

from django.conf import settings

from config.environment import SettingsError


def refuse() -> None:
    """Raise SettingsError when this process is root and COUNTERSIGN_ALLOW_ROOT does not say 1."""
    if os.geteuid() == 0 and not settings.ALLOW_ROOT:
        raise SettingsError(
            "The web does not run as root; start it as a user who owns nothing but COUNTERSIGN_VAR,"
            " or set COUNTERSIGN_ALLOW_ROOT=1 on a machine where nothing else is at stake."
        )
