"""Translation of requests for Django."""

from typing import Any

import pytest

from rudderproj.web_wsgi import environ


class Headers:
    def __init__(self, items: list[tuple[str, str]]) -> None:
        self._items = items

    def items(self) -> list[tuple[str, str]]:
        return self._items

    def get(self, key: str, default: Any = None) -> Any:
        return dict(self._items).get(key, default)


class Scope:
    proto = "http"
    http_version = "1.1"
    scheme = "http"
    method = "POST"
    query_string = "a=%41"

    def __init__(
        self, path: str = "/", client: str = "127.0.0.1:5", headers: list[tuple[str, str]] | None = None
    ) -> None:
        self.path, self.client, self.headers = path, client, Headers(headers or [])


def env(**parts: Any) -> dict[str, Any]:
    return environ(Scope(**parts), b"body", ("host", "80"))


def test_the_length_is_the_bodys_own_also_when_it_came_in_chunks() -> None:
    made = env(headers=[("transfer-encoding", "chunked"), ("content-type", "text/plain")])

    assert (made["CONTENT_LENGTH"], made["wsgi.input"].read()) == ("4", b"body")
    assert made["CONTENT_TYPE"] == "text/plain"
    assert "HTTP_TRANSFER_ENCODING" not in made


def test_repeated_headers_are_joined_and_cookies_as_cookies() -> None:
    made = env(headers=[("x-a", "1"), ("x-a", "2"), ("cookie", "a=1"), ("cookie", "b=2")])

    assert (made["HTTP_X_A"], made["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_a_header_with_an_underscore_cannot_pose_as_one_with_a_dash() -> None:
    made = env(headers=[("x_forwarded_for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")])

    assert made["HTTP_X_FORWARDED_FOR"] == "2.2.2.2"


@pytest.mark.parametrize(("client", "address"), [("127.0.0.1:5", "127.0.0.1"), ("[::1]:5", "::1"), ("", "")])
def test_the_peers_address_has_no_port_and_no_brackets(client: str, address: str) -> None:
    assert env(client=client)["REMOTE_ADDR"] == address


def test_the_path_is_bytes_in_latin_1_as_wsgi_wants_it() -> None:
    assert env(path="/é")["PATH_INFO"] == "/Ã©"
