"""Addresses of broker, mail and bucket, turned into what Celery and Django expect. Pure functions."""

from importlib.util import find_spec
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlsplit

from config.environment import SettingsError


def broker_of(url: str) -> str:
    """The same address as kombu writes it: unix sockets have a scheme of their own there."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    number = parse_qs(parts.query).get("db", ["0"])[0]
    user = quote(unquote(parts.username or ""), safe="")
    password = quote(unquote(parts.password or ""), safe="")
    login = f"{user}:{password}@" if password else ""
    return f"redis+socket://{login}{parts.path}?virtual_host={number}"


def mailers_of(url: str) -> dict[str, dict[str, object]]:
    """`smtp://user:password@host:port` (STARTTLS), `smtps://…` (TLS), `smtp+plain://…`,
    `file:///folder` (a file for each mail), or none (the console)."""
    parts = urlsplit(url)
    if not url or parts.scheme == "console":
        return {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
    if parts.scheme == "file":
        folder = unquote(parts.path)
        return {
            "default": {
                "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
                "OPTIONS": {"file_path": folder},
            }
        }
    if not parts.hostname:
        raise SettingsError(
            "COUNTERSIGN_EMAIL_URL names no host; write it like smtp://user@mail.example.org:587."
        )
    return {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {
                "host": parts.hostname,
                "port": parts.port or {"smtp": 587, "smtps": 465}.get(parts.scheme, 25),
                "username": unquote(parts.username or ""),
                "password": unquote(parts.password or ""),
                "use_tls": parts.scheme == "smtp",
                "use_ssl": parts.scheme == "smtps",
                "timeout": 15,
            },
        }
    }


def deposits_of(url: str) -> dict[str, object]:
    """`s3://bucket/prefix?endpoint=https://…&region=…`, as a storage of Django.

    Credentials are found as AWS's own tools find them. A name is the digest of its content, so
    that writing it again writes the same.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if not parts.hostname or set(options) - {"endpoint", "region"}:
        raise SettingsError(
            "COUNTERSIGN_DEPOSITS is no bucket; write it like"
            " s3://bucket/prefix?region=eu-central-1&endpoint=https://s3.example.org."
        )
    if find_spec("storages") is None:
        raise SettingsError(
            "COUNTERSIGN_DEPOSITS needs django-storages: install the dependency group s3."
        )
    # Only who has a bucket waits for this import.
    from botocore.config import Config

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": parts.netloc,
            "location": parts.path.strip("/"),
            "endpoint_url": options.get("endpoint") or None,
            "region_name": options.get("region") or None,
            "file_overwrite": True,
            "default_acl": None,
            "client_config": Config(
                connect_timeout=5,
                read_timeout=30,
                retries={"max_attempts": 3, "mode": "standard"},
                s3={"addressing_style": "path" if options.get("endpoint") else "auto"},
                request_checksum_calculation="when_required",
            ),
        },
    }
