"""The options of `manage.py verify`, and what is made of them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from destinations.verify import answers
from destinations.verify.load import Load, Mix
from destinations.verify.local import Local
from destinations.verify.remote import Remote
from destinations.verify.run import Options
from destinations.verify.site import Site, Unusable
from rudderproj import env_values

T = TypeVar("T")


def _parsed(parse: Callable[[str], T]) -> Callable[[str], T]:
    """For argparse, which shows the message of its own exception only."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except (ValueError, OSError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def _mix(least: int) -> Callable[[str], Mix]:
    return _parsed(lambda text: Mix.parse(text, least))


def _whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ValueError(f"expected a whole number from {least}")
        return int(text)

    return _parsed(parse)


def _bounded(is_right: Callable[[float], bool], expected: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not is_right(number):
            raise ValueError(f"expected {expected}")
        return number

    return _parsed(parse)


_http = env_values.url("http", "https")
_positive = _bounded(lambda number: 0 < number < float("inf"), "a number above 0")
_at_least_zero = _bounded(lambda number: 0 <= number < float("inf"), "0 or more")
_share = _bounded(lambda number: 0 <= number <= 1, "0 to 1")


@_parsed
def _url(text: str) -> str:
    if not urlsplit(_http(text)).hostname:
        raise ValueError("expected a URL with a host, as https://events.example.com")
    return text


@_parsed
def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected HOST:PORT, port 0 for a free one")
    return host.strip("[]"), int(port)


def add(parser: argparse.ArgumentParser) -> None:
    """Every option of the command."""
    _add_load(parser.add_argument_group("the load"))
    _add_sink(parser.add_argument_group("the sink"))
    _add_run(parser.add_argument_group("the run"))


def _add_run(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--url",
        action="append",
        type=_url,
        help="the deployment's address (that of this machine's settings); several take turns",
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        help="set up by API, with the token in it (-: standard input); scopes read, sources:write, destinations:write",
    )
    group.add_argument("--token", help="the same, for everybody to see in the list of processes")
    group.add_argument("--ledger", type=Path, metavar="FILE", help="append what happens here, as JSON lines")
    group.add_argument(
        "--patience", type=_positive, default=60.0, metavar="SECONDS", help="without progress, then it ends (60)"
    )
    group.add_argument("--duplicates", type=_whole(0), metavar="MOST", help="how many are allowed (any number)")
    group.add_argument(
        "--listen-on", type=_at_least_zero, default=1.0, metavar="SECONDS", help="for repeats, once nothing is owed (1)"
    )
    group.add_argument("--keep", action="store_true", help="leave source, destination and events behind")
    group.add_argument("--json", action="store_true", help="one object, for scripts")
    group.add_argument("--clean", action="store_true", help="only remove what runs that were killed have left here")


def _add_load(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--users", type=_whole(1), default=100, metavar="N", help="how many send (100)")
    group.add_argument(
        "--rate", type=_at_least_zero, default=100.0, help="events a second; 0: as fast as they are answered (100)"
    )
    group.add_argument(
        "--batch", type=_mix(1), default="1", metavar="SIZES", help="events a request: 20, 1-50, 1*9,100 (1)"
    )
    group.add_argument(
        "--payload", type=_mix(0), default="200", metavar="BYTES", help="text added to each event: 200, 50-5000 (200)"
    )
    group.add_argument("--seconds", type=_positive, help="send for so long (10, unless --events is given)")
    group.add_argument("--events", type=_whole(1), metavar="N", help="send so many")
    group.add_argument("--processes", type=_whole(1), default=1, metavar="N", help="that send (1)")
    group.add_argument("--connections", type=_whole(1), default=32, metavar="N", help="requests at a time (32)")
    group.add_argument(
        "--zipf", type=_at_least_zero, default=0.0, metavar="S", help="busy users: 1 is usual, 0 all alike (0)"
    )
    group.add_argument("--seed", type=int, default=0, help="repeats users, sizes and failures (0)")
    group.add_argument("--timeout", type=_positive, default=10.0, metavar="SECONDS", help="for an answer (10)")
    group.add_argument(
        "--wait-most", type=_positive, metavar="SECONDS", help="before sending again, whatever Retry-After says"
    )


def _add_sink(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--sink-latency", type=_at_least_zero, default=0.0, metavar="MS", help="before it answers (0)")
    group.add_argument("--fail", type=_share, default=0.0, metavar="SHARE", help="answered 503, for example 0.05 (0)")
    group.add_argument(
        "--answers",
        type=_parsed(answers.parse),
        default="200",
        metavar="STEPS",
        help="or a file of them: 200*50,503:2*5,hang",
    )
    group.add_argument(
        "--listen", type=_address, default="127.0.0.1:0", metavar="HOST:PORT", help="where (a free port of 127.0.0.1)"
    )
    group.add_argument(
        "--sink-url", type=_url, metavar="URL", help="where the deployment reaches it, if that is elsewhere"
    )
    group.add_argument(
        "--sink-log", type=Path, metavar="FILE", help="read the arrivals of a sink elsewhere, which --sink-url names"
    )


def options(given: dict[str, Any]) -> Options:
    """What was typed. Raises Unusable for what does not go together."""
    if given["sink_log"] and not (given["sink_url"] and given["sink_log"].is_file()):
        raise Unusable("--sink-log expects a file that is there, and --sink-url, where that sink is")
    seconds = given["seconds"] or (None if given["events"] else 10.0)
    load = Load(
        **{name: given[name] for name in ("users", "rate", "batch", "payload", "events", "processes", "connections")},
        seconds=seconds,
        zipf=given["zipf"],
        seed=given["seed"],
        timeout_seconds=given["timeout"],
        wait_most_seconds=given["wait_most"],
    )
    return Options(
        load=load,
        answers=answers.Answers(given["answers"], given["fail"], given["sink_latency"] / 1000, given["seed"]),
        ledger=given["ledger"],
        patience_seconds=given["patience"],
        listen=given["listen"],
        sink_url=given["sink_url"],
        sink_log=given["sink_log"],
        listen_on_seconds=given["listen_on"],
        keep=given["keep"],
        duplicates_allowed=given["duplicates"],
    )


def site(given: dict[str, Any]) -> Site:
    """How to reach the deployment. Raises Unusable for what does not go together."""
    token = _token(given["token"], given["token_file"])
    if not token:
        return Local(given["url"] or ())
    if not given["url"]:
        raise Unusable("a token goes with --url")
    return Remote(given["url"], token)


def _token(typed: str | None, file: str | None) -> str | None:
    if not file:
        return typed
    if typed:
        raise Unusable("--token and --token-file do not go together")
    try:
        token = (sys.stdin.read() if file == "-" else Path(file).read_text()).strip()
    except (OSError, ValueError) as error:
        raise Unusable(f"the token cannot be read: {error}") from None
    if not token.isascii() or len(token.split()) != 1:
        raise Unusable(f"{file} has no token in it, or more than that")
    return token
