"""Links into the admin, for people who read an alert elsewhere. Must never need the URLs' modules: they import all."""

import socket

from django.conf import settings


def admin(path: str = "") -> str:
    """The whole URL of a page of the admin: `alerts/mode/`."""
    env = settings.ENV
    host = socket.gethostname() if env["WEB_HOST"] in ("0.0.0.0", "::") else env["WEB_HOST"]  # noqa: S104
    base = env["ADMIN_URL"].rstrip("/").removesuffix("/admin") or f"http://{host}:{env['WEB_PORT']}"
    return f"{base}/admin/{path}"
