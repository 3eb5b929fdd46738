"""Reads the environment, and says in one sentence what is wrong with it.

Owns how a variable is found (`NAME`, or `NAME_FILE` for secrets) and how secrets of the embedded
mode are made once. Must not know what any variable is for. Pure standard library: the keeper of
the embedded services uses it as well.
"""

import base64
import os
import secrets
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"", "0", "false", "no", "off"})


class SettingsError(Exception):
    """A wrong or missing value: the sentence names the variable and the fix."""


def text(name: str, default: str = "") -> str:
    """The variable's value without surrounding blanks; an empty one counts as missing."""
    return os.environ.get(name, "").strip() or default


def reached(bind: str) -> str:
    """The address under which this machine reaches what listens on host:port."""
    host, _, port = bind.rpartition(":")
    # Listening on every address, it answers on the loopback one as well.
    loopback = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # nothing is bound to it here
    return f"http://{loopback.get(host, host)}:{port}"


def secret(name: str) -> str:
    """The secret in `NAME`, or in the file that `NAME_FILE` names; "" when neither is set."""
    value, file = text(name), text(f"{name}_FILE")
    if value and file:
        raise SettingsError(f"{name} and {name}_FILE are both set; unset one of them.")
    if not file:
        return value
    try:
        value = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(
            f"{name}_FILE names {file}, which cannot be read ({problem}); "
            "make it a readable text file that holds only the secret."
        ) from problem
    if not value:
        raise SettingsError(f"{name}_FILE names {file}, which is empty; put the secret into it.")
    return value


def signing_secret(name: str) -> str:
    """The secret that signs webhooks, as Standard Webhooks writes it; "" when it is not set."""
    value = secret(name)
    try:
        size = len(base64.b64decode(value.removeprefix("whsec_"), validate=True))
    except ValueError:
        size = 0
    if value and not 24 <= size <= 64:
        raise SettingsError(
            f"{name} is not 24 to 64 random bytes in base64; set it or {name}_FILE to what "
            "`openssl rand -base64 32` prints, with or without whsec_ before it."
        )
    return value


def yes(name: str, *, default: bool = False) -> bool:
    """A switch: 1/true/yes/on or 0/false/no/off."""
    return bool(switch(name, default=default))


def switch(name: str, *, default: bool | None) -> bool | None:
    """A switch whose default may be that nobody set it."""
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise SettingsError(f"{name} is {value!r}; set it to 1 or 0.")


def number(name: str, *, default: int, least: int, most: int) -> int:
    """A whole number within bounds."""
    value = text(name)
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise SettingsError(f"{name} is {value!r}; set it to a number from {least} to {most}.")
    return int(value)


def folders(name: str) -> tuple[Path, ...]:
    """Directories with colons between them, each a full path."""
    found = tuple(
        Path(os.path.normpath(one.strip())) for one in text(name).split(":") if one.strip()
    )
    for one in found:
        if not one.is_absolute():
            raise SettingsError(f"{name} names {str(one)!r}; write the full path of a directory.")
    return found


def folder(name: str, default: Path) -> Path:
    """One directory, a full path."""
    value = text(name)
    if value and not Path(value).is_absolute():
        raise SettingsError(f"{name} is {value!r}; write the full path of a directory.")
    return Path(value or default)


def address(name: str, *, schemes: tuple[str, ...], example: str, value: str = "") -> str:
    """A URL with one of these schemes; the sentence shows an example, never the value's secret."""
    value = value or secret(name)
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises ValueError when it is no number
    except ValueError as problem:
        raise SettingsError(f"{name} is no URL ({problem}); write it like {example}.") from problem
    if parts.scheme not in schemes:
        raise SettingsError(
            f"{name} begins with {parts.scheme or 'no scheme'!r}; "
            f"use one of {', '.join(schemes)}, for example {example}."
        )
    return value


def database(name: str, url: str) -> dict[str, str | dict[str, str]]:
    """Django's words for a PostgreSQL URL: `postgresql://user:password@host:port/name?host=…`.

    A unix socket is a `host` parameter that begins with a slash, as libpq writes it. Other
    parameters (sslmode, sslrootcert, …) are handed to libpq as they are.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "options" in options:
        raise SettingsError(f"{name} carries 'options', which Countersign sets itself; remove it.")
    host = options.pop("host", "") or unquote(parts.hostname or "")
    port = options.pop("port", "") or str(parts.port or "")
    base = unquote(parts.path.removeprefix("/"))
    if not base:
        raise SettingsError(
            f"{name} names no database; end it with one, as in postgresql://user@host/countersign."
        )
    return {
        "NAME": base,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "OPTIONS": options,
    }


def kept_secret(path: Path) -> str:
    """The secret kept in this file; made at random, once, when the file does not exist.

    Two processes that come at the same time agree: the file appears complete or not at all, and
    the first one wins.
    """
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        pass
    except OSError as problem:
        raise SettingsError(
            f"The secret in {path} cannot be read ({problem}); "
            "run as the user that made it, or set COUNTERSIGN_VAR to a folder of your own."
        ) from problem
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # somebody was quicker; theirs counts
        finally:
            draft.unlink()
        return path.read_text(encoding="ascii").strip()
    except OSError as problem:
        raise SettingsError(
            f"The secret {path} cannot be made ({problem}); "
            "set COUNTERSIGN_VAR to a folder that this user may write."
        ) from problem
