"""Warnings of Google's sign-in service: the account that one is about.

Owns where an entry names it: nobody called, and the resource is the whole organisation. A sign-in
that looks suspicious is one under that account; what Google did to the account is not. Source:
"Login audit" of the audit logs for Google Workspace. Pure.
"""

from evidence.formats.gcp.names import named
from evidence.formats.members import inside, member, said
from evidence.formats.record import ActorName
from evidence.formats.tables import Row

METHODS = "google.login.LoginService."
_AFFECTED = "affected_email_address"
_MOST = 50


def warned_of(payload: Row) -> str | None:
    """The account's address."""
    events = member(inside(payload, "metadata"), "event")
    for event in events[:_MOST] if type(events) is list else ():
        parameters = member(event, "parameter")
        for one in parameters[:_MOST] if type(parameters) is list else ():
            if said(one, "name") == _AFFECTED and (account := said(one, "value")):
                return account
    return None


def signed_in(method: str, account: str | None) -> ActorName | None:
    """Under which account the sign-in was that a warning is about."""
    about_one = method.startswith(f"{METHODS}suspicious")
    return named(account) if account and about_one else None
