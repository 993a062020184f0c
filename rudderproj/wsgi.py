"""The WSGI application; rudderproj.server runs it, any other WSGI server could."""

import os

import django

from rudderproj.web_direct import DirectHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")

django.setup()
application = DirectHandler()
