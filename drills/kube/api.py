"""The API of the cluster as its administrator sees it. Knows paths and answers, never what they mean for us."""

import contextlib
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

Object = dict[str, Any]
TIMEOUT_SECONDS = 20
_TYPES = {"PATCH": "application/merge-patch+json"}


class Refused(Exception):
    """The API server did not do it: `status`, and its words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status} {words}")
        self.status = status


class Api:
    """Asks with a token; everything of ours is in one namespace."""

    def __init__(self, url: str, token: str, authority: Path, namespace: str) -> None:
        self._url, self._token, self.namespace = url, token, namespace
        self._context = ssl.create_default_context(cafile=str(authority))

    def ask(self, method: str, path: str, value: Object | None = None) -> Any:
        """The answer. Raises Refused, or OSError when there is none."""
        request = urllib.request.Request(
            self._url + path,
            json.dumps(value).encode() if value is not None else None,
            {"Authorization": f"Bearer {self._token}", "Content-Type": _TYPES.get(method, "application/json")},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=self._context) as answer:
                body = answer.read()
                return json.loads(body) if answer.headers.get_content_type() == "application/json" else body.decode()
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                raise Refused(error.code, _words(error.read())) from None

    def is_ready(self) -> bool:
        """Whether it answers, and has made what every cluster has."""
        with contextlib.suppress(OSError, Refused):
            return bool(self.ask("GET", "/readyz") == "ok" and self.ask("GET", "/api/v1/namespaces/default"))
        return False

    def items(self, kinds: str, group: str = "api/v1") -> list[Object]:
        """All of a kind in our namespace."""
        found: list[Object] = self.ask("GET", self._path(kinds, group))["items"]
        return found

    def pods(self) -> list[Object]:
        return self.items("pods")

    def nodes(self) -> list[Object]:
        found: list[Object] = self.ask("GET", "/api/v1/nodes")["items"]
        return found

    def create(self, kinds: str, value: Object, group: str = "api/v1") -> None:
        self.ask("POST", self._path(kinds, group), value)

    def change(self, kinds: str, name: str, value: Object, group: str = "api/v1") -> None:
        self.ask("PATCH", f"{self._path(kinds, group)}/{name}", value)

    def evict(self, pod: str) -> bool:
        """Whether the pod may go: as a drain asks. Only a budget's refusal is a no."""
        wish = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.namespace}}
        try:
            self.create(f"pods/{pod}/eviction", wish)
        except Refused as refused:
            if refused.status == 429 and "disruption budget" in str(refused):
                return False
            raise
        return True

    def _path(self, kinds: str, group: str) -> str:
        return f"/{group}/namespaces/{self.namespace}/{kinds}"


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError):
        return body[:200].decode(errors="replace")
