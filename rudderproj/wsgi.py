"""The WSGI application; rudderproj.server runs it, any other WSGI server could."""

import os

import django

from rudderproj.serving import require_settings
from rudderproj.web_direct import DirectHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")

django.setup()
require_settings()
application = DirectHandler()
