"""Which addresses an enforcer may be pointed at.

Owns the guard on endpoints that somebody configured; must not know what is spoken there. An
endpoint inside our own network would turn a setting into a way to reach internal services, so
it has to be allowed in words.
"""

from urllib.parse import urlsplit

from evidence.sources import outside

from .contract import PermanentFailure, TemporaryFailure

WHO = "the administrator of Countersign"


def check_endpoint(url: str, *, allow_private: bool = False) -> str:
    """The endpoint as scheme://host[:port], or a failure that says what is wrong with it.

    Every address the host resolves to is looked at, not the first only. Public endpoints must
    speak HTTPS: the certificate is what keeps a later change of the name from leading inside.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise _refused(url, "its port is not a number up to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refused(url, "it is not an http or https address")
    if parts.username or parts.password:
        raise _refused(url, "it carries a user name or password")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise _refused(url, "it carries more than a host and a port")
    if not allow_private and parts.scheme != "https":
        raise _refused(url, "it does not speak https")
    for address in _addresses(parts.hostname, port or 443):
        if not allow_private and not outside.is_public(address):
            raise _refused(url, f"{address} is not a public address")
        if outside.is_metadata(address):
            raise _refused(url, f"{address} is where a cloud tells machines their credentials")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _addresses(host: str, port: int) -> list[outside.Address]:
    try:
        return outside.addresses(host, port)
    except outside.NotResolved:
        raise TemporaryFailure(
            f"The name {host} of the endpoint could not be resolved.", retry_after=30
        ) from None


def _refused(url: str, why: str) -> PermanentFailure:
    return PermanentFailure(f"The endpoint {url} is refused: {why}.", who_must_act=WHO)
