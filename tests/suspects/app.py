"""The product's Celery application, with the tests' destination types: `celery -A tests.suspects.app worker`."""

from rudderproj.celery import app as app
from tests.suspects.types.register import register

register()
