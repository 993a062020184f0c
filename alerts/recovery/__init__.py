"""When the software itself keeps failing: lives and crashes of processes, and when there are too many of them."""
