"""Where the product may connect to: public addresses, and the private networks an operator allowed.

Owns name resolution for outbound requests: the address that was checked is the one that is connected to, so that a
name cannot be rebound in between. Must never let a check be skipped for an address literal.
"""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

RESOLVED_SECONDS = 30.0
LOOKUPS = 32  # of names at once
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.ip_network("::/96")  # deprecated, and still an IPv4 address to some hosts
_LOCAL = (ipaddress.ip_network("fec0::/10"), ipaddress.ip_network("64:ff9b:1::/48"))  # "global" to ipaddress


class EgressRefused(Exception):
    """The host has no address that may be connected to, or does not resolve; the message says which."""


def inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (v4-mapped, 6to4, NAT64, …), else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def permitted(address: Address, allow: Iterable[Network]) -> bool:
    """Whether `address` is public or in an allowed network."""
    real = inner(address)
    if any(real in network for network in allow if network.version == real.version):
        return True
    if any(address in network for network in allow if network.version == address.version):
        return True
    return real.is_global and not real.is_multicast and not any(real in network for network in _LOCAL)


class Resolver:
    """Names to their permitted addresses, remembered for RESOLVED_SECONDS. One look-up of a name at a time.

    A name server that hangs keeps a thread for many seconds, whatever its caller waits for: threads of our own, since
    the event loop has two for names, and a look-up that is joined by all who ask, or one name would take every thread.
    """

    def __init__(self, allow: Iterable[str]) -> None:
        self._allow: list[Network] = [ipaddress.ip_network(network) for network in allow]
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}
        self._under_way: dict[tuple[str, int], asyncio.Task[list[str]]] = {}
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="resolver")

    def known(self, host: str, port: int) -> list[str]:
        """What resolve would give at once; empty when it has to ask."""
        until, addresses = self._known.get((host, port), (0.0, []))
        return addresses if time.monotonic() < until else []

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses that may be connected to for `host`, best first, at least one. Raises EgressRefused."""
        if known := self.known(host, port):
            return known
        task = self._under_way.get((host, port))
        if task is None:
            task = self._under_way[host, port] = asyncio.create_task(self._resolve(host, port))
        return await asyncio.shield(task)

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            chosen = self._choose(host, await self._lookup(host, port))
            self._known[host, port] = (time.monotonic() + RESOLVED_SECONDS, chosen)
            return chosen
        finally:
            del self._under_way[host, port]

    async def close(self) -> None:
        """Wait for no look-up any more."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def forget(self, host: str, port: int) -> None:
        """Look the name up anew next time: none of its addresses answered."""
        self._known.pop((host, port), None)

    async def _lookup(self, host: str, port: int) -> list[Address]:
        host = host.strip("[]")  # URLs write IPv6 addresses in brackets
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except (OSError, UnicodeError) as error:
            raise EgressRefused(f"cannot resolve {host}: {error}") from None
        return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]

    def _choose(self, host: str, addresses: list[Address]) -> list[str]:
        chosen = [str(address) for address in addresses if permitted(address, self._allow)]
        if not chosen:
            found = ", ".join(map(str, addresses))
            raise EgressRefused(f"{host} resolves to {found}: not a public address (EGRESS_ALLOW)")
        return chosen
