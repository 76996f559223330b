"""Who the user is, as far as TradingView asks: an auth token, and the cookies of a browser session.

It takes credentials from arguments and from a mapping of environment variables, makes the cookie, and reads when a
token expires. It never logs in: tokens and cookies come from the user's browser. Nothing here prints a secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tvstreamer.constants import ANONYMOUS_TOKEN
from tvstreamer.errors import InvalidPlan

_UNSAFE_IN_HEADER = re.compile(r"[\x00-\x1f\x7f]")
_UNSAFE_IN_COOKIE = re.compile(r"[\x00-\x20\x7f;,\"\\]")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token for `set_auth_token`, and the Cookie header of the handshake. Both are optional, neither is ever shown.

    Raises `InvalidPlan`, without the value, for one that does not fit into a header.
    """

    token: str = field(default=ANONYMOUS_TOKEN, repr=False)
    cookie: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        require_header_safe("token", self.token)
        require_header_safe("cookie", self.cookie or "")

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str],
        *,
        token: str | None = None,
        cookie: str | None = None,
        sessionid: str | None = None,
        sessionid_sign: str | None = None,
    ) -> Credentials:
        """What the arguments say, else TVSTREAMER_TOKEN, TVSTREAMER_SESSIONID and TVSTREAMER_SESSIONID_SIGN.

        An empty argument or variable counts as not set. `cookie` is a whole Cookie header, and wins. When `sessionid`
        is an argument, the signature is not taken from the environment: it would belong to another session.
        """
        if not sessionid:
            sessionid = environ.get("TVSTREAMER_SESSIONID")
            sessionid_sign = sessionid_sign or environ.get("TVSTREAMER_SESSIONID_SIGN")
        if not cookie and sessionid:
            cookie = session_cookie(sessionid, sessionid_sign)
        return cls(token or environ.get("TVSTREAMER_TOKEN") or ANONYMOUS_TOKEN, cookie or None)

    @property
    def is_anonymous(self) -> bool:
        """Whether the token is the one of nobody in particular; the cookie does not authenticate this feed."""
        return self.token == ANONYMOUS_TOKEN

    def secrets(self) -> tuple[str, ...]:
        """The literals that must not reach a tape or a log: the token, the cookie, and each value in it."""
        found = [] if self.is_anonymous else [self.token]
        if self.cookie:
            values = [pair.partition("=")[2].strip() for pair in self.cookie.split(";")]
            found += [self.cookie, *(value for value in values if value)]
        return tuple(dict.fromkeys(found))

    def __repr__(self) -> str:
        token = "anonymous" if self.is_anonymous else f"token of {len(self.token)} characters"
        return f"<Credentials {token}, {'with a' if self.cookie else 'no'} cookie>"


def session_cookie(sessionid: str, sessionid_sign: str | None = None) -> str:
    """The Cookie header of a browser session. Raises `InvalidPlan`, without the value, for what cannot be a cookie."""
    pairs = [("sessionid", sessionid)] + ([("sessionid_sign", sessionid_sign)] if sessionid_sign else [])
    for name, value in pairs:
        if _UNSAFE_IN_COOKIE.search(value):
            raise InvalidPlan(
                f"{name} (not shown, {len(value)} characters): expected no blanks, quotes, commas, semicolons, "
                "backslashes or control characters"
            )
    return "; ".join(f"{name}={value}" for name, value in pairs)


def token_expiry(token: str) -> float | None:
    """When a token expires (seconds since the epoch), or None when it is not a JWT or does not say."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    payload = parts[1]
    try:
        claims = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True))
        expiry = claims["exp"]
        return float(expiry) if isinstance(expiry, int | float) and not isinstance(expiry, bool) else None
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def require_header_safe(name: str, value: str) -> None:
    """Raises `InvalidPlan`, without the value, when it could smuggle a second header line."""
    if _UNSAFE_IN_HEADER.search(value):
        raise InvalidPlan(f"{name} (not shown, {len(value)} characters): expected no control characters")
