"""From granian's request to a WSGI call and back: pure translation.

Must never touch the network: the body is already whole, the answer is returned whole.
"""

import io
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol

from django.http import HttpResponse

from rudderproj.web_hooks import Answer, can_wait, wait_of

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class Headers(Protocol):
    """The part of granian's headers that is used."""

    def items(self) -> list[tuple[str, str]]: ...
    def get(self, key: str, default: Any = None) -> Any: ...


class Scope(Protocol):
    """The part of granian's scope that is used."""

    proto: str
    http_version: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str

    @property
    def headers(self) -> Headers: ...


_BASE: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}


@lru_cache(maxsize=512)
def _variable(header: str) -> str | None:
    """The WSGI name of a header; None for `a_b`, which could pose as a proxy's `a-b`."""
    if "_" in header:
        return None
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def environ(scope: Scope, body: bytes, server: tuple[str, str]) -> dict[str, Any]:
    """The WSGI environment of a request; `server` is the (host, port) it was accepted at."""
    address, _, port = scope.client.rpartition(":")
    env = _BASE | {
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server[0],
        "SERVER_PORT": server[1],
        "SERVER_PROTOCOL": "HTTP/1.0" if scope.http_version == "1" else f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": address.strip("[]"),
        "REMOTE_PORT": port,
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
    }
    for header, value in scope.headers.items():
        if variable := _variable(header):
            known = env.get(variable)
            env[variable] = value if known is None else known + ("; " if header == "cookie" else ",") + value
    env["CONTENT_LENGTH"] = str(len(body))  # also for chunked bodies, which declare none
    env.pop("HTTP_TRANSFER_ENCODING", None)
    can_wait(env)
    return env


def call(application: Application, env: dict[str, Any]) -> Answer:
    """Run the application to the end of its answer."""
    started: list[tuple[int, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        started.append((int(status[:3]), headers))
        return written.append

    result = application(env, start_response)
    try:
        written.extend(result)
    finally:
        if close := getattr(result, "close", None):
            close()
    status, headers = started[-1]
    return Answer(status, _lowered(headers), b"".join(written), wait_of(result))


def translated(response: HttpResponse) -> Answer:
    """An answer that Django made outside of a call."""
    return Answer(response.status_code, _lowered(response.items()), response.content)


def _lowered(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]
