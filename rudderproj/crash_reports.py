"""What Django's crash pages and reports show: where it happened, never with which values.

They are made with DEBUG=1 and by whatever an operator adds to LOGGING. Must never show the value of a local variable,
of what was posted, or of a setting that is secret or holds a URL with a password.
"""

from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

from rudderproj.env import VARIABLES

_SECRET = frozenset(variable.name for variable in VARIABLES if variable.secret)
_WHOLE = frozenset({"DATABASES", "CACHES"})


class ValuelessReports(SafeExceptionReporterFilter):
    """Names and types instead of values."""

    def is_active(self, _request: HttpRequest | None) -> bool:
        return True

    def get_traceback_frame_variables(self, _request: HttpRequest | None, tb_frame: FrameType) -> Any:
        return [(name, f"<{type(value).__name__}>") for name, value in tb_frame.f_locals.items()]

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        posted = getattr(request, "POST", {})
        return dict.fromkeys(posted, self.cleansed_substitute)

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        if key in _SECRET or key in _WHOLE:
            return self.cleansed_substitute
        return super().cleanse_setting(key, value)
