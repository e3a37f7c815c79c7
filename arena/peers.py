"""Whom a request comes from: a proxy that is believed, or anybody."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import cache

from starlette.datastructures import Headers
from starlette.types import Scope

from arena.settings import SettingsError

# Nothing but Hugging Face's own proxies can reach a Space's machine, and by no other addresses.
SPACE_PROXIES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Peers:
    """The proxies in front of this arena, by address or network (10.0.0.0/8)."""

    def __init__(self, proxies: Iterable[str] = ()) -> None:
        """Raises `SettingsError` for what is neither address nor network."""
        self._networks = [_network(proxy) for proxy in proxies]

    def trusts(self, address: str) -> bool:
        """Whether one of the proxies has this address; a name or nonsense is nobody."""
        parsed = parsed_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def seen(self, scope: Scope, claim: str = "") -> Scope:
        """The request with the address it really comes from; the header `claim` is left only if a proxy sent it."""
        host, port = scope.get("client") or ("", 0)
        if self.trusts(host):
            return {**scope, "client": (self._forwarded(host, Headers(scope=scope)), port)}
        name = claim.lower().encode("latin-1", "replace")
        kept = [(key, value) for key, value in scope["headers"] if key.lower() != name]
        return {**scope, "headers": kept} if claim else scope

    def _forwarded(self, host: str, headers: Headers) -> str:
        """Every proxy adds at the end who came to it: the last one that is no proxy of ours is the visitor."""
        hops = [hop.strip() for hop in ",".join(headers.getlist("x-forwarded-for")).split(",") if hop.strip()]
        strangers = [hop for hop in hops if not self.trusts(hop)]
        return strangers[-1] if strangers else (hops or [host])[0]


def address_of(scope: Scope, on_space: bool) -> str:
    """Where a request comes from that `Peers.seen` has given its address; "" where nobody knows.

    To a Space everything comes through Hugging Face's proxies, whose names change. They say who came, and no more: no
    header that names a user is believed for their sake.
    """
    seen = _of_space().seen(scope) if on_space else scope
    return str((seen.get("client") or ("",))[0])


@cache
def _of_space() -> Peers:
    return Peers(SPACE_PROXIES)


def _network(proxy: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(proxy)
    except ValueError as error:
        raise SettingsError(
            f"ARENA_TRUSTED_PROXIES={proxy!r}: must be addresses or networks by commas, e.g. 127.0.0.1,10.0.0.0/8."
        ) from error


def parsed_address(address: str) -> Address | None:
    """None for what is no address; some proxies write a port too, or brackets: 203.0.113.9:4711, [2001:db8::1]."""
    host, _, port = address.rpartition(":")
    bare = (host if port.isdecimal() else address).removeprefix("[").removesuffix("]")
    parsed = _parsed(address) or _parsed(bare)
    # A socket for both kinds of addresses shows those of the older kind inside the newer.
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _parsed(address: str) -> Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def network_of(address: str) -> str | None:
    """The network of an address (/24 of IPv4, /48 of IPv6: what one customer gets, as a rule).

    None for what is no address, or none of the whole net's (`is_global`): that is a proxy's, which speaks for all, or
    a neighbor's.
    """
    parsed = parsed_address(address)
    if parsed is None or not parsed.is_global:
        return None
    plain = str(parsed).partition("%")[0]  # without a zone, which is a name of this machine's
    return str(ipaddress.ip_network((plain, 24 if parsed.version == 4 else 48), strict=False))
