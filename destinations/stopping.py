"""Whether this worker was told to stop: one byte that its main process and the processes of its pool share.

Celery waits for running tasks at a warm shutdown without telling them. Must be imported before the pool forks.
"""

import mmap

_told = mmap.mmap(-1, 1)


def tell() -> None:
    """Have every link end at its next look, and no process take further rings."""
    _told[0] = 1


def told() -> bool:
    """Whether links should end."""
    return bool(_told[0])
