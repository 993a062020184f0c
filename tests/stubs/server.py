"""The HTTP server that everything which plays a destination, a provider or a website in tests is built on.

Must not make a caller wait to be let in: what a slow test machine adds to an answer is no trait of what is played.
"""

import http.server


class Server(http.server.ThreadingHTTPServer):
    """A thread for each connection, and a queue before the door that a whole herd of senders fits in.

    The standard library lets five wait. Of sixty that came at once on a busy machine some were reset by the kernel, and
    some kept for 1 and 2 seconds; a sender that waits for ten took it for an outage.
    """

    daemon_threads = True
    request_queue_size = 1024
