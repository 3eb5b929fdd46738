"""Warnings of Google's sign-in service: the account that one is about.

Owns where an entry names it: nobody called, and the resource is the whole organisation. Source:
"Login audit" of the audit logs for Google Workspace. Pure.
"""

from evidence.formats.members import inside, member, said
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
