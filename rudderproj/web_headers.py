"""What browsers are told about our pages: a Content-Security-Policy for each kind, and which features pages may use.

Must never loosen the policy that a view sets itself, and never runs for SDK endpoints, which answer without middleware.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# Everything comes from this deployment; no inline script runs anywhere.
_PAGE = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",  # style attributes of widgets and charts
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# alpine.js compiles the expressions in its attributes.
_ADMIN = _PAGE | {"script-src": "'self' 'unsafe-eval'"}
_DATA = {"default-src": "'none'", "frame-ancestors": "'none'"}

PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb", "browsing-topics")
)


def policy(directives: dict[str, str]) -> str:
    """The header's value."""
    return "; ".join(f"{name} {value}" for name, value in directives.items())


ADMIN, PAGE, DATA = policy(_ADMIN), policy(_PAGE), policy(_DATA)


def security_headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: adds what a response does not set itself."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not response.headers.get("Content-Type", "").startswith("text/html"):
            chosen = DATA
        else:
            chosen = ADMIN if request.path_info.startswith("/admin/") else PAGE
        response.headers.setdefault("Content-Security-Policy", chosen)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response

    return middleware
