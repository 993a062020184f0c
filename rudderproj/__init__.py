"""The project package: settings, Celery app, web shell, outbound HTTP. Imports no app."""

VERSION = "0.1.0"
