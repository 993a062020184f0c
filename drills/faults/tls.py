"""A destination's certificate expires while it runs, and is renewed later: real TLS, with an authority of our own.

Workers trust it by SSL_CERT_FILE, as they trust a company's own authority in production.
"""

import contextlib
import ssl
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from drills.certificates import Authority, server
from drills.drill import Drill
from drills.faults.destinations import FrontedStack, behind
from drills.front import Illness, standing
from drills.load import Plan
from drills.scene import Scene
from drills.stack import Stack, eventually

REST_SECONDS = 12.0  # the breaker asks now and then whether the destination is there again
SAID = "certificate expired"
_LAST_ERROR = "SELECT last_error FROM destinations_health WHERE last_error LIKE '%{}%'"


class CertifiedStack(FrontedStack):
    """A stack whose destination is reached by TLS."""

    authority: Authority
    tls: ssl.SSLContext

    def show(self, name: str, ends_in: timedelta) -> None:
        """From now on the destination has this certificate; connections that are open end."""
        self.tls.load_cert_chain(self.authority.sign(name, ends_in))
        self.front.fall_ill(Illness.NONE)


@contextlib.contextmanager
def behind_tls(folder: Path) -> Iterator[Stack]:
    """A stack that trusts the drill's authority, and a front with a certificate by it."""
    authority, tls = Authority(folder.parent), server()
    tls.load_cert_chain(authority.sign("first", timedelta(days=1)))
    with standing(tls) as front:
        stack = CertifiedStack(folder, {"SSL_CERT_FILE": str(authority.file)})
        stack.authority, stack.tls = authority, tls
        with behind(stack, front, "https"):
            yield stack


def expire(scene: Scene) -> None:
    """It has expired, workers say so and keep what is owed; it is renewed, and they go on by themselves."""
    stack = scene.staged(CertifiedStack)
    stack.show("expired", timedelta(hours=-1))
    try:
        eventually(lambda: stack.query(_LAST_ERROR.format(SAID)), "the reason being told")
        scene.pause(scene.left - REST_SECONDS)
    finally:
        stack.show("renewed", timedelta(days=1))
    scene.recovering()


DRILLS: Sequence[Drill] = (
    Drill(
        "dest-certificate",
        "the certificate of a destination expires, and is renewed",
        expire,
        plan=Plan(seconds=40, patience=150),
        stage=behind_tls,
        goes_on=True,
    ),
)
