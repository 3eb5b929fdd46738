"""The credentials that Google's methods make: keys, and tokens that only both their ends name.

Owns which methods issue, and what of an entry names what they issued and to whom. A token of
GenerateAccessToken has no id in any log: see the package. Pure.
"""

import re

from evidence.formats import tables, times
from evidence.formats.gcp.callers import Caller
from evidence.formats.gcp.names import borrowed, by_way_of, key_of, named
from evidence.formats.members import inside, member, row, said, text
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row

_ACCOUNT = re.compile(r"serviceAccounts/([^/]+)")
_KEYS = frozenset({"CreateServiceAccountKey", "UploadServiceAccountKey"})
_SIGNING = frozenset({"SignJwt", "SignBlob"})
_ISSUING = _KEYS | _SIGNING | {"CreateKey", "GenerateAccessToken"}


def issues(method: str) -> str:
    """The last word of a method that issues something; '' of any other."""
    last = method.rpartition(".")[2]
    return last if last in _ISSUING else ""


def issued(
    last: str, record: Row, payload: Row, realm: str, who: ActorName | None, caller: Caller
) -> Issued | None:
    """What this entry of such a method says was issued; `who` asked for it."""
    place = record.get("resource")
    labels = place.get("labels") if type(place) is dict else None
    if type(labels) is not dict:
        labels = inside(record, "resource", "labels")
    account = text(labels.get("email_id"))
    if not account:
        name = said(payload, "request", "name") or said(payload, "resourceName")
        found = _ACCOUNT.search(name)
        account = found[1] if found is not None else ""
    holder = named(account, "service_account") if account else None
    answer = row(payload.get("response"))
    if last in _KEYS:
        made = key_of(text(answer.get("name")))
        expires = answer.get("valid_before_time") or member(answer, "validBeforeTime")
        if type(expires) is dict:
            expires = expires.get("seconds")
        return None if made is None else Issued(made, holder or who, True, times.moment(expires))
    if last == "CreateKey":
        inner = inside(answer, "response") or answer
        number = said(inner, "name")
        if "/keys/" not in number:
            return None
        return Issued(tables.actor(realm, "key", number), who, True, None)
    if holder is None or who is None:
        return None
    if last in _SIGNING:
        number = said(answer, "keyId")
        signed = key_of(f"serviceAccounts/{account}/keys/{number}") if number else None
        return Issued(signed, holder, False, None) if signed else None
    # Whoever holds the token next came by way of all of these.
    listed = member(row(payload.get("request")), "delegates")
    by = caller.by
    if listed or who is not caller.principal:
        over = map(_ACCOUNT.search, map(text, listed[:50] if type(listed) is list else ()))
        delegates = [named(one[1], "service_account") for one in over if one is not None]
        by = by_way_of((*caller.way, who, *delegates))
    return Issued(borrowed(holder, by), holder, False, None)
