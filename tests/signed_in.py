"""A browser in which its person has just confirmed who they are, as the headers of a request."""

import time

from django.conf import settings
from django.test import Client

from identities.models import User


def by_hand(user: User, *, confirmed: bool = True) -> dict[str, str]:
    """The cookie of their session; `confirmed`: whether they have said lately who they are."""
    row = User.objects.get(pk=user.pk)
    if not row.has_usable_password():
        row.set_password("x")
        row.save(update_fields=["password"])
    client = Client()
    client.force_login(row, backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    if confirmed:
        session["account_authentication_methods"] = [
            {"method": "password", "at": time.time(), "reauthenticated": True}
        ]
        session["account_authentication_methods_user"] = str(row.pk)
    session.save()
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}"}
