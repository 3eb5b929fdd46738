"""The AWS console by a link: a session of a grant is exchanged for a sign-in of its own.

Owns the exchange and the address. Must not know how a session is opened. The link holds a token that
AWS takes for 15 minutes; the console session lasts as long as the session that was exchanged, and may
do what the grant's policy allows.

Source: IAM User Guide, "Enabling custom identity broker access to the AWS console" (getSigninToken,
login, Issuer, Destination).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from .contract import PermanentFailure
from .web import Web

# By the partition of an account: where one signs in, and the console behind it.
PLACES = {
    "aws": ("https://signin.aws.amazon.com/federation", "https://console.aws.amazon.com/"),
    "aws-us-gov": (
        "https://signin.amazonaws-us-gov.com/federation",
        "https://console.amazonaws-us-gov.com/",
    ),
    "aws-cn": ("https://signin.amazonaws.cn/federation", "https://console.amazonaws.cn/"),
}


def link(
    document: Mapping[str, Any],
    *,
    issuer: str,
    allow_private: bool,
    partition: str = "aws",
    place: str = "",
) -> str:
    """Where the holder opens the console. `document`: what mint gave; `issuer`: our own page, to
    which AWS sends whoever's session is over; `place`: where sessions are exchanged, AWS's own when
    empty. Raises TemporaryFailure, PermanentFailure."""
    known, console = PLACES.get(partition, PLACES["aws"])
    at, who = place or known, "the administrator of the AWS account"
    web = Web(allow_private=allow_private, who_must_act=who)
    session = json.dumps(
        {
            "sessionId": document["AccessKeyId"],
            "sessionKey": web.discreet(str(document["SecretAccessKey"])),
            "sessionToken": web.discreet(str(document["SessionToken"])),
        }
    )
    # Posted, so that no log on the way holds the session.
    answer = web.request(
        "POST", at, right="exchange sessions", data={"Action": "getSigninToken", "Session": session}
    )
    token = web.document(answer).get("SigninToken")
    if not isinstance(token, str) or not token:
        raise PermanentFailure(f"{at} gave no sign-in for this session.", who_must_act=who)
    said = {
        "Action": "login",
        "Issuer": issuer,
        "Destination": console,
        "SigninToken": token,
    }
    return f"{at}?{urlencode(said)}"
