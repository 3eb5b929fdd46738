"""Sessions of the AWS SDK whose credentials are their own and whose service models are shared.

The SDK reads and parses the description of a service for each session, some 70 ms of CPU for each
pull; here a process does it once. Must not know what is asked, nor by whom.
"""

import boto3
import botocore.session
from botocore.loaders import Loader


class _Models(Loader):
    """The SDK's own descriptions, kept; safe between threads as a session's own loader is."""

    @property
    def search_paths(self) -> list[str]:
        # boto3 appends a folder for each session: to a copy, so that the list does not grow.
        return list(super().search_paths)


_MODELS = _Models()


def session(
    *,
    key: str | None,
    secret: str | None,
    token: str | None = None,
    region: str,
) -> boto3.Session:
    """A new session; without a key it looks for credentials anew, as the SDK does by itself."""
    inside = botocore.session.get_session()
    inside.register_component("data_loader", _MODELS)
    return boto3.Session(
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        region_name=region,
        botocore_session=inside,
    )
