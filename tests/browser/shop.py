"""A shop's web site: pages of another origin than the product's, each with an official web SDK as npm has it.

What the SDK is given is in the page's fragment, so that a page that is loaded again begins as it did before.
"""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.stubs.server import Server

FOLDER = Path(__file__).parent
PAGES = FOLDER / "pages"
RUDDERSTACK = FOLDER.parents[1] / "destinations/demo/sdk"
SEGMENT = FOLDER / "sdk"
FILES = {
    "/rudderstack.mjs": RUDDERSTACK / "node_modules/@rudderstack/analytics-js/dist/npm/modern/bundled/esm/index.mjs",
    "/segment.js": SEGMENT / "node_modules/@segment/analytics-next/dist/umd/index.js",
    "/rudderstack.html": PAGES / "rudderstack.html",
    "/segment.html": PAGES / "segment.html",
}
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript"}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        file = FILES.get(self.path)
        body = file.read_bytes() if file else b""
        self.send_response(200 if file else 404)
        if file:
            self.send_header("Content-Type", TYPES[file.suffix])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    """The site's address until the end of the block."""
    server = Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
