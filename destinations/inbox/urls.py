"""URLs of the inbox. Deliveries come from a worker, which knows no CSRF token."""

from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from destinations.inbox import views

urlpatterns = [
    re_path("^inbox/?$", views.page),
    path("inbox.json", views.feed),
    path("inbox/deliver/<str:name>", csrf_exempt(views.deliver)),
]
