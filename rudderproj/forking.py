"""What a worker does once before the processes of its pool are forked, so that none of them has to.

Must never touch what a process may not share with another: connections, threads.
"""

import contextlib
import gc

from celery.signals import worker_before_create_process


def connect() -> None:
    """In a worker's main process: be called when everything is loaded, before the first fork."""
    worker_before_create_process.connect(_prepare, dispatch_uid=__name__)


def _prepare(**_: object) -> None:
    worker_before_create_process.disconnect(dispatch_uid=__name__)
    _make_parser()
    # Celery collects garbage before each fork, and each process in its own time. Of what was loaded nothing ever is:
    # looking at it takes 0.2 s, and makes the kernel copy the memory that the processes share.
    gc.collect()
    gc.freeze()


def _make_parser() -> None:
    """billiard declares a function of libc in each new process, with cffi if that is loaded: 0.2 s for its parser."""
    with contextlib.suppress(ImportError):
        from cffi import FFI

        FFI().cdef("int prctl (int __option, ...);")
