"""The client's address, seen through proxies that we trust and no others. Pure."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The rightmost address of `X-Forwarded-For` that is not a trusted proxy's; `peer` when it is not one itself.

    Anybody can write the left part of the header, so only what trusted proxies appended is believed.
    """
    found = _parse(peer)
    if found is None or not _is_inside(found, trusted):
        return str(found or peer)
    for hop in reversed(forwarded_for.split(",")):
        address = _parse(hop)
        if address is None:
            break
        found = address
        if not _is_inside(address, trusted):
            break
    return str(found)


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether this is the address of a trusted proxy."""
    found = _parse(peer)
    return found is not None and _is_inside(found, trusted)


def _is_inside(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address | None:
    """An address, with or without a port; IPv4 in its IPv6 form as IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
