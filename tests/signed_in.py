"""A browser in which its person has just confirmed who they are."""

import time

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.test import Client

from identities.models import User


def by_hand(user: User, *, confirmed: bool = True) -> dict[str, str]:
    """The headers of a request from it; `confirmed`: whether they have said lately who they are."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    with_password(client)
    if confirmed:
        sure(client)
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"}


def sure(client: Client) -> Client:
    """The browser of somebody who is signed in, and has just said who they are."""
    with_password(client)
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time(), "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = session[SESSION_KEY]
    session.save()
    return client


def unsure(client: Client) -> Client:
    """The same browser more than five minutes later."""
    session = client.session
    session.pop("account_authentication_methods", None)
    session.save()
    return client


def with_password(client: Client) -> None:
    """Whoever can confirm nothing decides nothing: its person has a password."""
    session = client.session
    user = User.objects.get(pk=session[SESSION_KEY])
    if not user.has_usable_password():
        user.set_password("x")
        user.save(update_fields=["password"])
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
