"""URLs of the product, composed from the apps': what the public may reach, and what only the operators may.

With PUBLIC_ONLY the second half does not exist. Whatever shows, counts or changes something belongs there.
"""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from rudderproj import health, metrics_server

PUBLIC: list[URLPattern | URLResolver] = [
    re_path("^health/?$", health.health),
    re_path("^ready/?$", health.ready),
    re_path("^version/?$", health.version),
    path("robots.txt", health.robots),
    path("", include("ingest.urls")),
]
PRIVATE: list[URLPattern | URLResolver] = [
    re_path("^metrics/?$", metrics_server.view),
    path("admin/", admin.site.urls),
    path("", include("destinations.inbox.urls")),
    path("", include("destinations.demo.urls")),
    path("", include("destinations.api.urls")),
]

urlpatterns = PUBLIC if settings.ENV["PUBLIC_ONLY"] else [*PUBLIC, *PRIVATE]
