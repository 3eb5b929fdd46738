"""Links that let a person in, for commands on the host: to set the first or a recovered password, and
to add a second factor that counts at once. Nothing of them is stored.
"""

from allauth.account.forms import default_token_generator
from allauth.account.utils import url_str_to_user_pk, user_pk_to_url_str
from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.urls import reverse

from identities.models import User

PASSWORD, FACTOR = "password", "factor"


class _Keys(PasswordResetTokenGenerator):
    """Over when the password changes, at the next sign-in, or after PASSWORD_RESET_TIMEOUT. Keys that
    are sent by mail are made with another salt."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.key_salt = f"identities.sign_in_links.{what}"


_KEYS = {what: _Keys(what) for what in (PASSWORD, FACTOR)}


def link_of_host(user: User, what: str) -> str:
    """An address that sets this login's password, or signs in to add a second factor: once."""
    said = {"what": what, "uid": user_pk_to_url_str(user), "key": _KEYS[what].make_token(user)}
    return f"{settings.BASE_URL}{reverse('link_of_host', kwargs=said)}"


def opened(what: str, uid: str, key: str) -> User | None:
    """Whose link it is; None where it works no more."""
    try:
        pk = url_str_to_user_pk(uid)
        user = User.objects.filter(pk=pk, is_active=True).first()
    except (ValueError, ValidationError):  # no key of a login
        return None
    if user is None or what not in _KEYS or not _KEYS[what].check_token(user, key):
        return None
    return user


def password_page(user: User) -> str:
    """Where this login's password is set, once."""
    said = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    return reverse("account_reset_password_from_key", kwargs=said)
