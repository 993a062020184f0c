"""A destination's certificate has expired: what the product's HTTP client says, and that it takes the next."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from destinations.oracle.sink import Sink
from drills.certificates import Authority, server
from drills.faults.tls import SAID
from drills.front import Front, Illness, standing
from rudderproj.http import Answer, HttpClient


async def answers(authority: Authority, tls: ssl.SSLContext, front: Front) -> list[Answer]:
    """With a valid certificate, an expired one, and a renewed one."""
    client = HttpClient(["127.0.0.0/8"])
    url, found = f"https://127.0.0.1:{front.port}/hook", []
    for name, days in (("first", 1), ("expired", -1), ("renewed", 1)):
        tls.load_cert_chain(authority.sign(name, timedelta(days=days)))
        await asyncio.to_thread(front.fall_ill, Illness.NONE)
        found.append(await client.send(1, "POST", url, [], b'{"messageId": "m"}', 5.0))
    await client.close()
    return found


def test_an_expired_certificate_is_told_as_such_and_the_renewed_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, tls = Authority(tmp_path), server()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    with Sink() as sink, standing(tls) as front:
        front.upstream = sink.port
        first, expired, renewed = asyncio.run(answers(authority, tls, front))

    assert (first.status, expired.status, renewed.status) == (200, None, 200)
    assert SAID in expired.error
    assert not expired.connected
    assert sink.ids() == ["m", "m"]
