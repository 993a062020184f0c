"""beat ends when it is told to, whatever it does at that moment.

Celery's handler of signals raises SystemExit wherever the main thread is. Raised in a destructor or in a callback of C
code it is printed and dropped, and beat would go on for ever: nobody tells it twice. Must never keep Celery's own way
from being the first.
"""

import signal
from types import FrameType
from typing import Any

from celery.signals import beat_init


def connect() -> None:
    """In beat, once Celery has set its handlers: have the loop end with its next round as well."""
    beat_init.connect(_set_handlers, weak=False, dispatch_uid=__name__)


def _set_handlers(sender: Any, **_: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        _add(number, sender)


def _add(number: int, service: Any) -> None:
    former = signal.getsignal(number)

    def stop(number: int, frame: FrameType | None) -> None:
        service._is_shutdown.set()
        if callable(former):
            former(number, frame)

    signal.signal(number, stop)
