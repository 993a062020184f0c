"""The HTTP server that everything which plays a destination, a provider or a website in tests is built on.

Must not make a caller wait to be let in: what a slow test machine adds to an answer is no trait of what is played.
"""

import http.server


class Server(http.server.ThreadingHTTPServer):
    """A thread for each connection, and a queue before the door that a whole herd of senders fits in.

    With the five of the standard library, of twenty connections that come at once some are kept waiting by the kernel
    for 1, then 3, then 7 seconds, until the sender gives up: an outage, as far as it can tell.
    """

    daemon_threads = True
    request_queue_size = 1024
