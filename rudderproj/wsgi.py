"""Django's WSGI application; rudderproj.server runs it, any other WSGI server could."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")

application = get_wsgi_application()
