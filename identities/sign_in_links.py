"""Links that set a login's password, for commands on the host. Nothing of them is stored."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from identities.models import User


def password_link(user: User) -> str:
    """An address that sets this login's password: used once, over when it has one or after
    PASSWORD_RESET_TIMEOUT."""
    key = default_token_generator.make_token(user)
    path = reverse(
        "account_reset_password_from_key",
        args=(),
        kwargs={"uidb36": user_pk_to_url_str(user), "key": key},
    )
    return f"{settings.BASE_URL}{path}"
