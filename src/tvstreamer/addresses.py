"""What an address says by itself: whose host it names, and whether that is this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from tvstreamer.constants import SITE_DOMAIN


def host_of(url: str) -> str:
    """The host name in an address, in small letters; "" where there is none, or the address is malformed."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine."""
    host = host_of(url)
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_theirs(url: str) -> bool:
    """Whether an address is of one of TradingView's hosts."""
    host = host_of(url)
    return host == SITE_DOMAIN or host.endswith(f".{SITE_DOMAIN}")
