"""What every admin page says at the top while something is wrong with the service as a whole."""

from typing import Any

from django.http import HttpRequest

from alerts import modes


def context(request: HttpRequest) -> dict[str, Any]:
    """For django-unfold's GLOBAL_CALLBACK: the mode, when it is not normal, for those who are logged in."""
    if not (request.user.is_active and request.user.is_staff):
        return {}
    mode = modes.current()
    return {} if mode.forwards else {"degraded": mode}
