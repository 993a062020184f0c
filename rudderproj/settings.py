"""Django settings, all taken from the environment through rudderproj.env.

Must never hold a secret of its own or read os.environ directly.
"""

import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rudderproj.admin_theme import UNFOLD as UNFOLD  # read by django-unfold
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

INSTALLED_APPS = [
    "unfold",  # before the admin, whose templates it replaces
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "alerts",
    "ingest",
    "destinations",
    "destinations.inbox",
    "destinations.api",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
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


def database(url: str) -> dict[str, Any]:
    """Django's database settings for a postgres:// URL; query parameters become libpq options."""
    parts = urlsplit(url)
    # A stopped client must not hold the horizon, which would freeze all forwarding: the server ends it.
    timeouts = "-c statement_timeout=30s -c idle_in_transaction_session_timeout=10s -c lock_timeout=10s -c timezone=UTC"
    options = {"connect_timeout": "3", "keepalives_idle": "10", "keepalives_interval": "3", "keepalives_count": "3"}
    options["tcp_user_timeout"] = "30000"  # milliseconds: a host that vanished is noticed also while it owes an answer
    options |= dict(parse_qsl(parts.query))
    options["options"] = f"{options.get('options', '')} {timeouts}".strip()
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "rudderproj",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
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
LOGIN_URL = "/admin/login/"
LOGIN_REDIRECT_URL = "/admin/"
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
