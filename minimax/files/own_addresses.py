"""Distinguishes this machine's own addresses from all others, whatever their range; offline."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from minimax.files.public_addresses import embedded_ipv4, is_public

__all__ = ["is_own", "is_public_elsewhere"]

IPAddress = IPv4Address | IPv6Address

_NOBODYS: Final[dict[int, IPAddress]] = {
    4: IPv4Address("192.0.2.1"),  # documentation (RFC 5737)
    6: IPv6Address("2001:db8::1"),  # documentation (RFC 3849)
}
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_ANY_PORT: Final = 9
"""Of a datagram socket that is pointed somewhere and sends nothing."""


def is_own(address: IPAddress) -> bool:
    """Whether an address belongs to an interface of this machine.

    Linux, macOS and Windows let a socket be bound to own addresses only. A Linux machine may be set
    to allow any (`ip_nonlocal_bind`, for load balancers); there the address from which this machine
    would speak to it decides, which for an own address is that address itself.
    """
    if not _can_bind(address):
        return False
    return not _can_bind(_NOBODYS[address.version]) or _source_towards(address) == str(address)


def is_public_elsewhere(
    address: IPAddress, *, is_own: Callable[[IPAddress], bool] = is_own
) -> bool:
    """Whether an address is public and not of this machine, which may well have a public one."""
    return is_public(address) and not any(map(is_own, (address, *embedded_ipv4(address))))


def _can_bind(address: IPAddress) -> bool:
    try:
        with socket.socket(_FAMILIES[address.version], socket.SOCK_STREAM) as unused:
            unused.bind((str(address), 0))
    except OSError:
        return False
    return True


def _source_towards(address: IPAddress) -> str | None:
    try:
        with socket.socket(_FAMILIES[address.version], socket.SOCK_DGRAM) as unused:
            unused.connect((str(address), _ANY_PORT))
            return str(unused.getsockname()[0])
    except OSError:
        return None
