"""All settings, from the environment. README and `manage.py doctor` explain each variable.

A wrong or missing value raises SettingsError, which manage.py prints as one sentence. Importing
this module starts nothing: the embedded services are started by `config.services.ensure()`.
"""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from config import addresses, csp, environment, logs, rates
from config.embedded.places import (
    APP_LOGIN,
    APP_ROLE,
    DATABASE,
    OWNER_LOGIN,
    POSTGRES_PORT,
    places,
)
from config.environment import SettingsError

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where things lie, and the embedded services ------------------------------------------------

VAR = (BASE_DIR / environment.text("COUNTERSIGN_VAR", "var")).resolve()
DATABASE_URL = environment.address(
    "DATABASE_URL",
    schemes=("postgresql", "postgres"),
    example="postgresql://user:password@host:5432/countersign",
)
DATABASE_OWNER_URL = environment.address(
    "DATABASE_OWNER_URL",
    schemes=("postgresql", "postgres"),
    example="postgresql://owner:password@host:5432/countersign",
)
REDIS_URL = environment.address(
    "REDIS_URL", schemes=("redis", "rediss", "unix"), example="redis://:password@host:6379/0"
)
EMBEDDED = not (DATABASE_URL and REDIS_URL)
PLACES = places(VAR)

# --- The web address ----------------------------------------------------------------------------

BIND = environment.text("COUNTERSIGN_BIND", "127.0.0.1:8000")
BASE_URL = environment.address(
    "COUNTERSIGN_BASE_URL",
    schemes=("http", "https"),
    example="https://countersign.example.org",
    value=environment.text("COUNTERSIGN_BASE_URL", environment.reached(BIND)),
).rstrip("/")
_WEB = urlsplit(BASE_URL)
if not _WEB.hostname or _WEB.path or _WEB.query:
    raise SettingsError(
        f"COUNTERSIGN_BASE_URL is {BASE_URL!r}; set it to scheme, host and port only, "
        "for example https://countersign.example.org."
    )
DEBUG = environment.yes("COUNTERSIGN_DEBUG")
DEMO = environment.yes("COUNTERSIGN_DEMO")
ADMIN = environment.yes("COUNTERSIGN_ADMIN")  # serve Django's admin site, to look at rows
ALLOW_ROOT = environment.yes("COUNTERSIGN_ALLOW_ROOT", default=DEMO)
SECURE = _WEB.scheme == "https"
BEHIND_PROXY = environment.yes("COUNTERSIGN_BEHIND_PROXY")
ALLOWED_HOSTS = sorted({_WEB.hostname, "127.0.0.1", "localhost", "[::1]"})
CSRF_TRUSTED_ORIGINS = [BASE_URL]
METRICS_TOKEN = environment.secret("COUNTERSIGN_METRICS_TOKEN")

# --- Secrets ------------------------------------------------------------------------------------


def _secret(name: str, file: str, purpose: str) -> str:
    """From the environment; embedded installations make one at random, once."""
    value = environment.secret(name)
    if not value and EMBEDDED:
        return environment.kept_secret(PLACES.secrets / file)
    if len(value.encode("utf-8")) < 32:
        raise SettingsError(
            f"{name} ({purpose}) is {'shorter than 32 bytes' if value else 'missing'}; set it or "
            f"{name}_FILE to a random value, for example from `openssl rand -base64 48`."
        )
    return value


SECRET_KEY = _secret("COUNTERSIGN_SECRET_KEY", "secret_key", "signs sessions and links")
# Digests of what was received are keyed, so that a reader of the database cannot guess contents.
DIGEST_KEY = _secret("COUNTERSIGN_DIGEST_KEY", "digest_key", "keys the digests of evidence").encode(
    "utf-8"
)

# --- Database: two logins, one alias (decisions 17) ---------------------------------------------

DB_ROLE = environment.text("COUNTERSIGN_DB_ROLE", "app")
if DB_ROLE not in ("app", "owner"):
    raise SettingsError(f"COUNTERSIGN_DB_ROLE is {DB_ROLE!r}; set it to app or owner.")
POOL = environment.number("COUNTERSIGN_POOL", default=0, least=0, most=90)


def database_for(role: str) -> dict[str, Any]:
    """Django's entry for one role: `app` never has more rights than countersign_app."""
    if not DATABASE_URL:
        login, file = (
            (APP_LOGIN, "database_app") if role == "app" else (OWNER_LOGIN, "database_owner")
        )
        entry: dict[str, Any] = {
            "NAME": DATABASE,
            "USER": login,
            "PASSWORD": environment.kept_secret(PLACES.secrets / file),
            "HOST": str(PLACES.sockets),
            "PORT": str(POSTGRES_PORT),
        }
        options: dict[str, Any] = {}
    else:
        owner = role == "owner" and bool(DATABASE_OWNER_URL)
        name, url = (
            ("DATABASE_OWNER_URL", DATABASE_OWNER_URL) if owner else ("DATABASE_URL", DATABASE_URL)
        )
        entry = {**environment.database(name, url)}
        options = {**entry.pop("OPTIONS")}
    options["application_name"] = "countersign"
    if role == "app":
        # Even when the login owns the tables, what runs under it cannot alter or truncate them.
        options["options"] = f"-c role={APP_ROLE}"
        if POOL:
            options["pool"] = {"min_size": 1, "max_size": POOL, "timeout": 10}
    return {
        **entry,
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": options,
        "CONN_MAX_AGE": 0 if POOL else 60,
        "CONN_HEALTH_CHECKS": True,
    }


# Both, for those who must switch: migrate (grants for the app) and the tests.
DATABASE_ROLES = {role: database_for(role) for role in ("app", "owner")}
DATABASES = {"default": {**DATABASE_ROLES[DB_ROLE]}}  # a copy: Django fills its own in
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Broker and cache ---------------------------------------------------------------------------

if not REDIS_URL:
    REDIS_URL = PLACES.redis_url(environment.kept_secret(PLACES.secrets / "valkey"))


BROKER_URL = addresses.broker_of(REDIS_URL)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "countersign",
    }
}

# --- Applications -------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",  # first: its `migrate` grants the app's rights afterwards
    "evidence",
    "identities",
    "reviews",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
]

MIDDLEWARE = [
    "config.metrics.Middleware",
    "config.caching.Middleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "reviews.answering.Middleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.csp",
                "reviews.pages.frame.frame",
            ],
        },
    }
]

# --- People -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "identities.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"

ACCOUNT_ADAPTER = "config.accounts.ClosedAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # accounts are made by administrators and register files
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300  # seconds a confirmed identity is good for (decisions 19)
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_RATE_LIMITS = rates.OF_SIGN_IN
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _WEB.scheme
# Whoever signs in is throttled by their own address, not by that of the proxy before us.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_PROXY else 0
MFA_ADAPTER = "reviews.seeds.SealingAdapter"
# Nobody signs up: no stranger's account waits under an address that is not verified.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Countersign"
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True  # an open session must not read what opens break-glass
# Whether who decides needs a second factor; None: as the database says, which knows whether it is
# older than this rule (reviews/enrolled.py).
SECOND_FACTOR = environment.switch("COUNTERSIGN_SECOND_FACTOR", default=False if DEMO else None)
# How long a recovery of a login is announced before it is carried out.
RECOVERY_HOURS = environment.number("COUNTERSIGN_RECOVERY_HOURS", default=24, least=1, most=720)
# Browsers allow passkeys on http only for localhost; so does the library with this switch.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not SECURE

# --- Security headers ---------------------------------------------------------------------------

SECURE_CSP = csp.POLICY
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_SSL_REDIRECT = SECURE and BEHIND_PROXY
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SESSION_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "countersign_session"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_SECURE = SECURE
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "countersign_csrf"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Forms and API bodies; the evidence doors read their streams themselves, with limits of their own.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 << 20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILE_UPLOAD_PERMISSIONS = 0o600

# Outside I/O reaches no private address unless this says so (the demo and tests use loopback).
ALLOW_PRIVATE = environment.yes("COUNTERSIGN_ALLOW_PRIVATE", default=DEMO)
# Directories that sources may read files from, none by default; the folder of their secrets.
READ_DIRECTORIES = environment.folders("COUNTERSIGN_READ_DIRECTORIES")
CONNECTOR_SECRETS = environment.folder("COUNTERSIGN_CONNECTOR_SECRETS", PLACES.connector_secrets)
AWS_ENDPOINT = environment.address(
    "COUNTERSIGN_AWS_ENDPOINT", schemes=("http", "https"), example="http://127.0.0.1:5555"
)
# The enforcer's AWS credentials: env:PREFIX, file:/path (with {account}), or boto3's own chain.
AWS_CREDENTIALS = environment.text("COUNTERSIGN_AWS_CREDENTIALS", "default")
# Files of the operator: docs/enforcers.md, docs/break-glass.md, docs/custody.md, docs/tickets.md.
ENFORCERS = environment.text("COUNTERSIGN_ENFORCERS")
ON_CALL = environment.text("COUNTERSIGN_ON_CALL")
TICKETS = environment.text("COUNTERSIGN_TICKETS")
ANCHORS = environment.text("COUNTERSIGN_ANCHORS")
# Secrets of keys to try after a revocation, as <key id>.json: the demo and tests have them.
PROBE_FOLDER = environment.text("COUNTERSIGN_PROBE_FOLDER")

# --- Language, time, static files ---------------------------------------------------------------

USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# They belong to this code, not to a folder of data: one installation may have several of those.
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [
    folder for folder in (BASE_DIR / "static", BASE_DIR / "static_vendor") if folder.is_dir()
]
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(VAR / "files")},
    },
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
# How long evidence of a source is kept when nobody says otherwise (docs/custody.md).
RETENTION_DAYS = environment.number(
    "COUNTERSIGN_RETENTION_DAYS", default=3650, least=1, most=36_600
)
# Where large deposits lie: a bucket, or without it the folder deposits/ of COUNTERSIGN_VAR.
DEPOSITS = environment.address(
    "COUNTERSIGN_DEPOSITS", schemes=("s3",), example="s3://countersign-deposits/prod"
)
if DEPOSITS:
    STORAGES["deposits"] = addresses.deposits_of(DEPOSITS)
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_KEEP_ONLY_HASHED_FILES = not DEBUG

# --- API ----------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["identities.api.parsing.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 100,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign",
    "DESCRIPTION": "Identity logs and AI traces in one case.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Mail ---------------------------------------------------------------------------------------

_MAIL = environment.address(
    "COUNTERSIGN_EMAIL_URL",
    schemes=("smtp", "smtps", "smtp+plain", "file", "console"),
    example="smtp://user:password@mail.example.org:587",
    # Among a demo's other output nobody would read it.
    value=environment.secret("COUNTERSIGN_EMAIL_URL")
    or (f"file://{quote(str(VAR / 'mail'))}" if DEMO else ""),
)
MAILERS = addresses.mailers_of(_MAIL)
# A console that nobody named: a notice on it would count as delivered, and silence as an answer.
UNNAMED_MAILERS = {} if _MAIL else MAILERS
DEFAULT_FROM_EMAIL = environment.text(
    "COUNTERSIGN_EMAIL_FROM", f"Countersign <countersign@{_WEB.hostname}>"
)
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Signs the webhooks of notices; without it none is sent.
WEBHOOK_SECRET = environment.signing_secret("COUNTERSIGN_WEBHOOK_SECRET")
# Where each notice goes as a webhook, beside the mail; sealed cases send none.
WEBHOOK_URL = environment.address(
    "COUNTERSIGN_WEBHOOK_URL", schemes=("https", "http"), example="https://chat.example.org/hook"
)
ALERT_EMAIL = environment.text("COUNTERSIGN_ALERT_EMAIL", "")  # told of break-glass opened alone

# --- Logs ---------------------------------------------------------------------------------------

LOGGING = logs.logging_settings(as_json=not sys.stderr.isatty(), debug=DEBUG)
