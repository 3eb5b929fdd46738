"""The demo's AWS account comes back as it was: moto forgets everything when it ends.

Its ids are drawn from a seed, so the same account is made again; what was held or revoked since
is done to it again from our own record.
"""

import http.client
import json
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from django.conf import settings
from django.utils import timezone

from config.demo import aws, story
from identities.actions.grants.carrying import given_of
from identities.actions.grants.systems import granter
from identities.models import Credential, Grant

USERS = ("svc-report-agent", "svc-invoice-agent", "svc-support-agent", "svc-nightly-etl")


def populate(account: aws.Demo, seed: int) -> story.Keys:
    """Fill the account; the same seed gives the same ids."""
    _seed(account, seed)
    made = aws.populate(account)
    agent = made.keys["svc-report-agent"]
    folder = probe_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for key in [made.enforcer, *(key for keys in made.keys.values() for key in keys)]:
        path = folder / f"{key.access_key_id}.json"
        path.touch(mode=0o600)
        path.write_text(
            json.dumps(
                {
                    "access_key_id": key.access_key_id,
                    "secret_access_key": key.secret_access_key,
                }
            )
        )
    (folder / "enforcer.json").unlink(missing_ok=True)
    (folder / "enforcer.json").symlink_to(f"{made.enforcer.access_key_id}.json")
    return story.Keys(
        agent=agent[0].access_key_id,
        minted=agent[1].access_key_id,
        invoice=made.keys["svc-invoice-agent"][0].access_key_id,
        support=made.keys["svc-support-agent"][0].access_key_id,
        etl=made.keys["svc-nightly-etl"][0].access_key_id,
    )


def probe_folder() -> Path:
    """Secrets of the demo's own keys; nobody else's."""
    return Path(settings.VAR) / "secrets" / "demo-aws"


def use(account: aws.Demo) -> None:
    """This process and its children act on this account."""
    folder = probe_folder()
    for name, value in (
        ("AWS_ENDPOINT", account.endpoint),
        ("AWS_CREDENTIALS", f"file:{folder / 'enforcer.json'}"),
        ("PROBE_FOLDER", str(folder)),
    ):
        os.environ[f"COUNTERSIGN_{name}"] = value
        setattr(settings, name, value)
    os.environ["COUNTERSIGN_ALLOW_PRIVATE"] = "1"
    settings.ALLOW_PRIVATE = True


def settle(account: aws.Demo) -> None:
    """Hold, delete and give again what was held, revoked and given before the account was ended."""
    iam = account.clients().iam
    for row in Credential.objects.filter(
        standing=True, state__in=["held", "revoked"], actor__kind="access_key"
    ).select_related("actor"):
        for user in USERS:
            with suppress(ClientError):  # the key is another user's
                if row.state == "held":
                    iam.update_access_key(
                        UserName=user, AccessKeyId=row.actor.value, Status="Inactive"
                    )
                else:
                    iam.delete_access_key(UserName=user, AccessKeyId=row.actor.value)
    # What has ended meanwhile is taken away by the sweep, which finds nothing of it.
    now = timezone.now()
    for given in Grant.objects.filter(state="usable", system="aws", ends_at__gt=now):
        granter(given.system, given.account).grant(given_of(given), now=now)


def _seed(account: aws.Demo, seed: int) -> None:
    """Moto draws its ids from here on."""
    where = urlsplit(account.direct)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    try:
        connection.request("POST", f"/moto-api/seed?a={seed}")
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise aws.NotStarted(f"The local AWS account took no seed ({answer.status}).")
