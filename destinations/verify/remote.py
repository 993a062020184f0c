"""A deployment elsewhere, through its API and a token with the scopes read, sources:write and destinations:write.

The API deletes nothing: what a run made is switched off at its end, and its events go with the days of the log.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from destinations.verify import marks
from destinations.verify.site import Away, Terms, Unusable

TIMEOUT_SECONDS = 20
_AGAIN = (408, 425, 429)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody: what is posted would become a question, and the token would go to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stay)


class Remote:
    """A site for one run. The API is asked at the first of `urls`."""

    def __init__(self, urls: Sequence[str], token: str) -> None:
        self.urls = [url.rstrip("/") for url in urls]
        self._token = token
        self._name = ""
        self._made: dict[str, int] = {}  # path: id

    def set_up(self, name: str, sink_url: str) -> str:
        self._name = name
        source = self._make("sources", {"name": name, "write_key": marks.write_key(name)})
        destination = self._make(
            "destinations", {"name": name, "type": "webhook", "config": marks.config(name, sink_url)}
        )
        self._make("connections", {"source": source["id"], "destination": destination["id"]})
        return str(source["write_key"])

    def terms(self) -> Terms:
        found = [row for row in self._status()["connections"] if row["source"] == self._name]
        if not found:
            raise Away("the status does not show the connection")
        return {name: value for name, value in found[0].items() if name not in ("source", "destination")}

    def trouble(self) -> list[str]:
        status = self._status()
        mode = status["mode"]["mode"]
        lines = [f"the mode is {mode}: nothing is forwarded"] if mode != "normal" else []
        for row in status["destinations"]:
            if row["name"] == self._name and row["state"] != "ok":
                lines.append(f"the destination is {row['state']}")
            if row["name"] == self._name and row["last_error"]:
                lines.append(f"the last failed delivery: {row['last_error']}")
        return lines

    def clean_up(self) -> None:
        for path in ("connections", "destinations", "sources"):
            if path in self._made:
                self._ask("PATCH", f"{path}/{self._made[path]}", {"enabled": False})
                del self._made[path]

    def _make(self, path: str, values: dict[str, Any]) -> dict[str, Any]:
        made = self._ask("POST", path, values)
        self._made[path] = made["id"]
        return made

    def _status(self) -> dict[str, Any]:
        return self._ask("GET", "status")

    def _ask(self, method: str, path: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer's object. Raises Away for faults that pass, Unusable for what is refused."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        content = None if values is None else json.dumps(values).encode()
        request = urllib.request.Request(f"{self.urls[0]}/api/v1/{path}", content, headers, method=method)  # noqa: S310
        try:
            with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            said = f"{method} /api/v1/{path} was answered {error.code}: {_detail(error)}"
            if error.code in _AGAIN or error.code >= 500:
                raise Away(said) from None
            raise Unusable(said) from None
        except (OSError, ValueError) as error:
            raise Away(f"{self.urls[0]} does not answer: {error}") from None


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        found = json.load(error)
        return " ".join(filter(None, [str(found.get("detail", "")), str(found.get("errors") or "")]))
    except (OSError, ValueError, AttributeError):
        return "no JSON"
