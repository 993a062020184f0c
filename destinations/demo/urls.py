"""URLs of the demo."""

from django.urls import path, re_path

from destinations.demo import views

urlpatterns = [
    re_path("^demo/?$", views.page),
    path("demo/sdk.mjs", views.sdk),
]
