"""One Python SDK through an outage: what through.js does, with the same words."""

import json
import sys
from typing import Any

from requests import PreparedRequest, Response, Session
from rudderstack.analytics.client import Client as RudderClient  # type: ignore[import-untyped]
from segment.analytics.client import Client as SegmentClient  # type: ignore[import-untyped]

CLIENTS = {"rudder-python": RudderClient, "segment-python": SegmentClient}


class Telling:
    """Looks at what the SDK is answered, and changes nothing."""

    def __init__(self) -> None:
        self._send, self._told = Session.send, False

    def __call__(self, session: Session, request: PreparedRequest, **options: Any) -> Response:
        try:
            response = self._send(session, request, **options)
        except OSError:
            self._tell()
            raise
        if response.status_code != 200:
            self._tell()
        return response

    def _tell(self) -> None:
        if not self._told:
            print("refused", flush=True)
        self._told = True


def main() -> None:
    """Track, flush, say."""
    plan = json.loads(sys.stdin.read())
    telling = Telling()
    Session.send = lambda session, request, **options: telling(session, request, **options)  # type: ignore[method-assign]
    lost: list[Any] = []
    client = CLIENTS[plan["sdk"]](plan["writeKey"], host=plan["url"], on_error=lambda _error, batch: lost.extend(batch))
    for number in range(plan["count"]):
        client.track(plan["sdk"], "n", message_id=f"{plan['sdk']}-{number}")
    client.flush()
    client.join()
    print(json.dumps({"delivered": plan["count"] - len(lost), "lost": len(lost)}), flush=True)


if __name__ == "__main__":
    main()
