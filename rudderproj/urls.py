"""URLs of the product, composed from the apps'."""

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import URLPattern, URLResolver, include, path, re_path

from rudderproj import health

urlpatterns: list[URLPattern | URLResolver] = [
    re_path("^health/?$", health.health),
    re_path("^ready/?$", health.ready),
    re_path("^version/?$", health.version),
    path("robots.txt", health.robots),
    # Found in the apps as they are: no collectstatic to forget. `insecure` only means that it works without DEBUG.
    path("static/<path:path>", serve, {"insecure": True}),
    path("admin/", admin.site.urls),
    path("", include("ingest.urls")),
    path("", include("destinations.inbox.urls")),
]
