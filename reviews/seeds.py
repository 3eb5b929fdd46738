"""What second factors are made from, encrypted in the database: seeds of codes and of recovery codes.

Owns the sealing (JWE), with a key that is derived from the installation's own and from the login: the
row of another login does not open. Rows that were not sealed yet are sealed by `manage.py migrate`.
"""

import hmac
import logging
import secrets
from base64 import b32encode
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import Q
from django.db.models.signals import post_init, pre_save
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

SEALED = "sealed:"
# What a seed is replaced by in memory when its row names another login: it opens for nobody.
FOREIGN = f"{SEALED}:"
# Members of an authenticator's data that are secret: of an app, and of recovery codes.
MEMBERS = ("secret", "seed")
log = logging.getLogger(__name__)


class SealingAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """allauth's, which opens what was sealed. Sealing happens when a row is saved: only the row
    knows whose it is."""

    def decrypt(self, encrypted_text: str) -> str:
        """The seed; a random one, which no code fits, where it does not open."""
        if not encrypted_text.startswith(SEALED):
            return encrypted_text
        found = opened(encrypted_text)
        if found is None:
            log.error("the seed of a second factor does not open: another key, or another login's")
            return b32encode(secrets.token_bytes(20)).decode()
        return found


def _key(login: str) -> OctKey:
    secret = hmac.new(settings.DIGEST_KEY, f"second factor of {login}".encode(), "sha256")
    return OctKey.import_key(secret.digest())


def sealed(text: str, login: object) -> str:
    """The text, readable with this installation's key alone, and as this login's alone."""
    header = {"alg": "dir", "enc": "A256GCM"}
    return f"{SEALED}{login}:{jwe.encrypt_compact(header, text.encode(), _key(str(login)))}"


def opened(text: str) -> str | None:
    """What was sealed; None where it was with another key, or for another login than it says."""
    login, _, token = text.removeprefix(SEALED).partition(":")
    try:
        plain = jwe.decrypt_compact(token, _key(login)).plaintext
    except (JoseError, ValueError):
        return None
    return plain.decode() if plain is not None else None


def connect() -> None:
    """Seal each row that is saved, and look at each that is read; once, when the app starts."""
    pre_save.connect(_seal, sender=Authenticator, dispatch_uid="reviews.seeds")
    post_init.connect(_look, sender=Authenticator, dispatch_uid="reviews.seeds")


def _seal(instance: Authenticator, update_fields: Any = None, **_: Any) -> None:
    if update_fields is None or "data" in update_fields:
        for name in MEMBERS:
            text = instance.data.get(name)
            if isinstance(text, str) and not text.startswith(SEALED):
                instance.data[name] = sealed(text, instance.user_id)


def _look(instance: Authenticator, **_: Any) -> None:
    data = instance.__dict__.get("data")
    for name in MEMBERS if isinstance(data, dict) else ():
        text = data.get(name)
        whose = f"{SEALED}{instance.user_id}:"
        if isinstance(text, str) and text.startswith(SEALED) and not text.startswith(whose):
            data[name] = FOREIGN


def unsealed() -> int:
    """How many second factors lie in the database as they are."""
    return int(_unsealed().count())


def seal_all() -> int:
    """Seal what is not; how many that were."""
    rows = list(_unsealed())
    for row in rows:
        row.save(update_fields=["data"])
    return len(rows)


def unopened() -> int:
    """How many do not open: sealed with another key, or brought from another login."""
    rows = Authenticator.objects.filter(type__in=("totp", "recovery_codes"))
    texts = [one.data.get(name, "") for one in rows for name in MEMBERS]
    return sum(text.startswith(SEALED) and opened(text) is None for text in texts)


def _unsealed() -> Any:
    plain = Q()
    for name in MEMBERS:
        plain |= Q(**{f"data__{name}__isnull": False}) & ~Q(**{f"data__{name}__startswith": SEALED})
    return Authenticator.objects.filter(plain)
