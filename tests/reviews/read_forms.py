"""What a form that was read sends along by itself: its hidden fields."""

import re

from django.test import Client

HIDDEN = re.compile(r'<input type="hidden" name="(read|began|began_name)" value="([^"]*)">')


def as_read(client: Client, path: str) -> dict[str, str]:
    """The marks on the page at this address, as somebody has them who reads it now."""
    return dict(HIDDEN.findall(client.get(path).content.decode()))
