"""Django settings, all taken from the environment through rudderproj.env.

Must never hold a secret of its own or read os.environ directly.
"""

import socket
import sys
import warnings
from pathlib import Path
from typing import Any

from rudderproj.admin_theme import UNFOLD as UNFOLD  # read by django-unfold
from rudderproj.dsn import parameters
from rudderproj.env import EnvError, read

try:
    ENV: dict[str, Any] = read()
except EnvError as error:
    sys.stderr.write(f"rudderproj: {error}\n")
    raise SystemExit(2) from None

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = ENV["DEBUG"]
SECRET_KEY = ENV["SECRET_KEY"]  # empty: Django refuses whatever needs it
ALLOWED_HOSTS = ENV["ALLOWED_HOSTS"]
CSRF_TRUSTED_ORIGINS = ENV["CSRF_TRUSTED_ORIGINS"]
NODE_ID = ENV["NODE_ID"] or socket.gethostname()

# What only pages, their API and their commands need; workers do without (rudderproj.worker_settings).
PAGE_APPS = [
    "unfold",  # before the admin, whose templates it replaces
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "destinations.demo",
    "destinations.api",
]
INSTALLED_APPS = [
    *PAGE_APPS,
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rudderproj.logins",
    "alerts",
    "ingest",
    "destinations",
    "destinations.inbox",
]
# For pages only: SDK endpoints and probes answer without (rudderproj.web_direct).
MIDDLEWARE = [
    "rudderproj.web_proxy.believe_proxies",
    "rudderproj.web_headers.security_headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "rudderproj.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "rudderproj" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


_DJANGO_HAS = {"dbname", "user", "password", "host", "port"}  # places of their own, beside the options


def database(url: str) -> dict[str, Any]:
    """Django's database settings for a postgres:// URL; query parameters become libpq options."""
    known = parameters(url)
    # A stopped client must not hold the horizon, which would freeze all forwarding: the server ends it.
    timeouts = "-c idle_in_transaction_session_timeout=10s -c timezone=UTC"
    for name, variable in (("lock", "DATABASE_LOCK_SECONDS"), ("statement", "DATABASE_STATEMENT_SECONDS")):
        timeouts += f" -c {name}_timeout={ENV[variable] * 1000:.0f}"  # milliseconds
    # What the options below are for us: a client whose host vanished would keep its session, and what that has locked,
    # for two hours, or for a quarter of one where it is owed an answer. The server passes over them for a Unix socket.
    timeouts += " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
    timeouts += " -c tcp_user_timeout=30s"
    options = {"connect_timeout": "3", "keepalives_idle": "10", "keepalives_interval": "3", "keepalives_count": "3"}
    options["tcp_user_timeout"] = "30000"  # milliseconds: a host that vanished is noticed also while it owes an answer
    options |= {name: value for name, value in known.items() if name not in _DJANGO_HAS}
    options["options"] = f"{options.get('options', '')} {timeouts}".strip()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": known.get("dbname", "rudderproj"),
        "USER": known.get("user", ""),
        "PASSWORD": known.get("password", ""),
        "HOST": known.get("host", ""),
        "PORT": known.get("port", ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {"default": database(ENV["DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "rudderproj" / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"}}
# What an image collected is served, compressed; without, files are found in the apps: no collectstatic to forget.
WHITENOISE_USE_FINDERS = not STATIC_ROOT.is_dir()
WHITENOISE_MAX_AGE = 600
warnings.filterwarnings("ignore", message="No directory at")

LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"
AUTHENTICATION_BACKENDS = ["rudderproj.logins.throttle.ThrottledBackend"]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
]
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "rudderproj_session", "rudderproj_csrf"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV["HTTPS_ONLY"]
# Only trusted proxies get as far as saying these (rudderproj.web_proxy).
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
USE_X_FORWARDED_HOST = True
SECURE_SSL_REDIRECT = ENV["HTTPS_ONLY"]
# Workers deliver from inside, by http; a redirected delivery would be given up.
SECURE_REDIRECT_EXEMPT = ["^inbox/deliver/"]
SECURE_HSTS_SECONDS = 365 * 86400 if ENV["HTTPS_ONLY"] else 0
# About other hosts of the domain, and for good: the domain's owner decides, at the proxy.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

APPEND_SLASH = False  # SDKs post to exact paths, and a redirected POST loses its body
DATA_UPLOAD_MAX_MEMORY_SIZE = ENV["INGEST_MAX_BODY_BYTES"] + 1024

DEFAULT_EXCEPTION_REPORTER_FILTER = "rudderproj.crash_reports.ValuelessReports"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "destinations.api.openapi.Schema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "rudderproj",
    "VERSION": "1",
    "DESCRIPTION": "Where events are, and what an operator does about it. Unknown fields are refused.",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,  # it would describe ingest too, whose contract is its SDKs'
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SERVE_URLCONF": "destinations.api.urls",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "POSTPROCESSING_HOOKS": ["destinations.api.openapi.add_problems"],
    "COMPONENT_SPLIT_PATCH": False,  # what may be left out of a change is said by its own shape
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
LOGGING_CONFIG = "rudderproj.logs.configure"
LOGGING: dict[str, Any] = {"level": ENV["LOG_LEVEL"]}
