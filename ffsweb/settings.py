"""Every setting of Django, in one file. What an installation may choose comes from ``ffsweb.env``.

``docs/settings.md`` lists the variables. Importing this file makes no file and no directory: ``ffs`` does that
before it starts anything.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from ffsweb import env as environment
from ffsweb import logs

BASE_DIR = Path(__file__).resolve().parent.parent
try:
    ENVIRONMENT = environment.read(os.environ, base=BASE_DIR, uid=os.getuid(), pid=os.getpid())
except environment.EnvironmentProblem as problem:
    raise ImproperlyConfigured(str(problem)) from problem

PROCESS = ENVIRONMENT.process
PRODUCTION = ENVIRONMENT.production
DATA = ENVIRONMENT.data
KEYS = ENVIRONMENT.keys
PUBLIC_URL = ENVIRONMENT.public_url
UPLOAD_LIMIT = ENVIRONMENT.upload_limit
FORMS_LIMIT = ENVIRONMENT.forms_limit
KEEP_OPERATIONS_DAYS, KEEP_OPERATIONS = ENVIRONMENT.keep_operations_days, ENVIRONMENT.keep_operations
KEEP_RELEASES, KEEP_IMAGES_DAYS = ENVIRONMENT.keep_releases, ENVIRONMENT.keep_images_days
BACKUP_DAYS = ENVIRONMENT.backup_days
BANDWIDTH = ENVIRONMENT.bandwidth
WEBHOOK_PRIVATE = list(ENVIRONMENT.webhook_private)
METRICS_TOKEN, METRICS_ADDRESSES = ENVIRONMENT.metrics_token, list(ENVIRONMENT.metrics_addresses)
DASHBOARD_ADDRESSES = list(ENVIRONMENT.dashboard_addresses)
_TESTING = PROCESS == "test"
_HTTPS = PUBLIC_URL.startswith("https://")

DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = list(ENVIRONMENT.hosts)
SECRET_KEY_FILE = KEYS / "secret_key"
SECRET_KEY = ENVIRONMENT.secret_key or (
    SECRET_KEY_FILE.read_text(encoding="ascii").strip()
    if SECRET_KEY_FILE.is_file()
    else secrets.token_urlsafe(64)  # good for this process alone; the checks refuse to serve with it
)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "ffsweb.accounts",
    "ffsweb.audit",
    "ffsweb.operations",
    "ffsweb.notify",
    "ffsweb.webhooks",
    "ffsweb.rest",
    "ffsweb.web",
    "certificates",
    "deployments",
    "ffsweb.backup",
]

MIDDLEWARE = [
    "ffsweb.web.request_ids.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ffsweb.middleware.PrivatePages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "ffsweb.middleware.DeclaredAccess",
    "ffsweb.middleware.NoNul",
    "ffsweb.intake.Refusals",
]

ROOT_URLCONF = "ffsweb.urls"
ASGI_APPLICATION = "ffsweb.asgi.application"
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
            ],
            "builtins": ["template_partials.templatetags.partials"],
        },
    }
]

# --- What is kept, and where -----------------------------------------------------------------------------------
DATABASES = {"default": environ.Env.db_url_config(ENVIRONMENT.database_url)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Four processes write: only with all of these does none of them see "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # A file, as in life: an in-memory database has other locks, and one process sees it alone.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A process that is frozen within a transaction keeps its rows from nobody for longer than SQLite's time above.
    _given = DATABASES["default"].setdefault("OPTIONS", {})
    _given["options"] = f"-c idle_in_transaction_session_timeout=20s {_given.get('options', '')}".rstrip()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = ENVIRONMENT.redis_url
CELERY_BROKER_URL = environment.celery_url(REDIS_URL)
# The limits of log-in attempts are all that is cached. In memory, because the web process is one, and because nobody
# should be kept out of the dashboard while Redis is away.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# An image archive is larger than /tmp may be; from here its file is moved, not copied, to where the worker finds it.
# The body that it comes in is written here too, see ffsweb/intake.py.
FILE_UPLOAD_TEMP_DIR = str(DATA / "incoming") if (DATA / "incoming").is_dir() else None
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

# --- Static files ----------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = ENVIRONMENT.static
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if _TESTING
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Who comes in ----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "ffsweb.accounts.adapter.AccountAdapter"
# E-mail addresses are neither verified nor unique here, so nobody logs in by one.
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if _HTTPS else "http"
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/300s/key", "reauthenticate": "10/m/user"}
MFA_ADAPTER = "ffsweb.accounts.mfa.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "ffsweb"
MFA_TOTP_TOLERANCE = 1  # of 30 seconds, for telephones whose clocks are off
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
# uvicorn has already replaced the peer by the client that a trusted proxy names.
ALLAUTH_TRUSTED_PROXY_COUNT = 0

# --- Browser hardening -----------------------------------------------------------------------------------------
SESSION_ENGINE = "ffsweb.accounts.sessions"
SESSION_COOKIE_NAME = "__Host-ffsweb" if _HTTPS else "ffsweb"
SESSION_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_NAME = "__Host-ffsweb-csrf" if _HTTPS else "ffsweb-csrf"
CSRF_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = PRODUCTION and _HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION and _HTTPS else 0
# Sub-domains and browsers' preload lists are for whoever owns the domain to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "worker-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

# --- Words, mail, logs -----------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
_mail = environ.Env.email_url_config(ENVIRONMENT.email_url)
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST = _mail.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = bool(_mail.get("EMAIL_USE_TLS"))
EMAIL_USE_SSL = bool(_mail.get("EMAIL_USE_SSL"))
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENVIRONMENT.email_from
LOGGING = logs.configure(process=PROCESS, form=ENVIRONMENT.log_format, level=ENVIRONMENT.log_level)
