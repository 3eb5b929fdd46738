"""Addresses of broker and mail, turned into what Celery and Django expect. Pure functions."""

from urllib.parse import parse_qs, quote, unquote, urlsplit

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
