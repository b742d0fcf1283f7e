"""Which IP addresses belong to the public internet, by tables with their RFCs."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

__all__ = ["embedded_ipv4", "is_public"]

IPAddress = IPv4Address | IPv6Address
_IPV4_REFUSED: Final = (
    IPv4Network("0.0.0.0/8"),  # "this network" (RFC 791, section 3.2); Linux: itself
    IPv4Network("10.0.0.0/8"),  # private use (RFC 1918)
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT (RFC 6598); 100.100.100.200: Alibaba metadata
    IPv4Network("127.0.0.0/8"),  # loopback (RFC 1122, section 3.2.1.3)
    IPv4Network("168.63.129.16/32"),  # Azure's wire server, a public address that only guests reach
    IPv4Network("169.254.0.0/16"),  # link-local (RFC 3927); 169.254.169.254: most clouds' metadata
    IPv4Network("172.16.0.0/12"),  # private use (RFC 1918)
    IPv4Network("192.0.0.0/24"),  # IETF protocols (RFC 6890); 192.0.0.192: Oracle Classic metadata
    IPv4Network("192.0.2.0/24"),  # documentation, TEST-NET-1 (RFC 5737)
    IPv4Network("192.31.196.0/24"),  # AS112, answers for private reverse zones (RFC 7535)
    IPv4Network("192.52.193.0/24"),  # multicast tunnels, AMT (RFC 7450)
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, deprecated (RFC 7526)
    IPv4Network("192.168.0.0/16"),  # private use (RFC 1918)
    IPv4Network("192.175.48.0/24"),  # AS112, direct delegation (RFC 7534)
    IPv4Network("198.18.0.0/15"),  # benchmarking (RFC 2544)
    IPv4Network("198.51.100.0/24"),  # documentation, TEST-NET-2 (RFC 5737)
    IPv4Network("203.0.113.0/24"),  # documentation, TEST-NET-3 (RFC 5737)
    IPv4Network("224.0.0.0/4"),  # multicast (RFC 5771)
    IPv4Network("240.0.0.0/4"),  # reserved (RFC 1112, section 4), and broadcast (RFC 919)
)

# What is not in here is refused unread: loopback, mapped and compatible (::/8), local NAT64
# (64:ff9b:1::/48), discard (100::/64), segment routing (5f00::/16), unique local (fc00::/7, the
# metadata of AWS, Google and Scaleway), link-local (fe80::/10), site-local, multicast (ff00::/8).
_IPV6_TAKEN: Final = (
    IPv6Network("2000::/3"),  # global unicast (RFC 4291, section 2.4)
    IPv6Network("64:ff9b::/96"),  # NAT64 (RFC 6052): how IPv6-only networks reach public IPv4
)
_IPV6_REFUSED: Final = (
    IPv6Network("2001::/23"),  # IETF protocols (RFC 2928): Teredo, ORCHID, benchmarking, AMT
    IPv6Network("2001:db8::/32"),  # documentation (RFC 3849)
    IPv6Network("2002::/16"),  # 6to4 (RFC 3056), deprecated: carries any IPv4 address
    IPv6Network("2620:4f:8000::/48"),  # AS112, direct delegation (RFC 7534)
    IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1
_ISATAP_MARKS: Final = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")  # RFC 5214, section 6.1
_LAST_BYTES: Final = (12, 13, 14, 15)
_TRANSLATED_BYTES: Final = (  # where each NAT64 prefix length puts IPv4 (RFC 6052, section 2.2)
    (4, 5, 6, 7),
    (5, 6, 7, 9),
    (6, 7, 9, 10),
    (7, 9, 10, 11),
    (9, 10, 11, 12),
    _LAST_BYTES,
)
_METADATA: Final = frozenset(
    {
        IPv4Address("100.100.100.200"),  # Alibaba
        IPv4Address("168.63.129.16"),  # Azure's wire server
        IPv4Address("169.254.169.254"),  # AWS, Azure, Google, Oracle, DigitalOcean, OpenStack
        IPv4Address("169.254.170.2"),  # AWS, credentials of ECS tasks
        IPv4Address("169.254.170.23"),  # AWS, credentials of EKS pods
        IPv4Address("192.0.0.192"),  # Oracle Classic
    }
)


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to the public internet, by our tables alone.

    Forms of IPv6 that carry an IPv4 address are refused as a whole (mapped, compatible, 6to4,
    Teredo, local NAT64) or judged by what they carry (NAT64, ISATAP). `ipaddress.is_global` is no
    substitute: it takes 168.63.129.16, 192.0.0.192, 2002:7f00:1:: and multicast for public.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _IPV4_REFUSED)
    return (
        address.scope_id is None
        and any(address in network for network in _IPV6_TAKEN)
        and not any(address in network for network in _IPV6_REFUSED)
        and all(is_public(carried) for carried in embedded_ipv4(address))
        and not any(_ipv4_at(places, address) in _METADATA for places in _TRANSLATED_BYTES)
    )


def embedded_ipv4(address: IPAddress) -> Iterator[IPv4Address]:
    """The IPv4 address that an IPv6 address leads to by its form (NAT64, ISATAP), if it does."""
    if isinstance(address, IPv4Address):
        return
    if address in _NAT64 or address.packed[8:12] in _ISATAP_MARKS:
        yield _ipv4_at(_LAST_BYTES, address)


def _ipv4_at(places: tuple[int, ...], address: IPv6Address) -> IPv4Address:
    return IPv4Address(bytes(address.packed[place] for place in places))
