"""Tokens that the fake site hands out to whoever comes with the cookies of a session.

They are web tokens as the real ones are, signed by the server that accepts them, and good for a time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Final

import msgspec

from tvstreamer.auth import token_expiry

LIFETIME: Final = 14_400.0
"""Seconds that a real token was seen to be good for (2020, 2025)."""

_HEADER: Final = {"alg": "HS256", "typ": "JWT"}


class IssuedTokens:
    """Makes tokens and knows its own. The same seed makes the same ones."""

    def __init__(self, seed: int, lifetime: float = LIFETIME) -> None:
        self._key = hashlib.blake2b(f"fake server {seed}".encode(), digest_size=32).digest()
        self._lifetime = lifetime

    def __repr__(self) -> str:
        return f"<IssuedTokens good for {self._lifetime:g} s>"

    def issue(self, now: float) -> str:
        claims = {"user_id": 1, "exp": int(now + self._lifetime), "iat": int(now), "plan": ""}
        signed = f"{_encoded(_HEADER)}.{_encoded(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def accepts(self, token: str, at: float) -> bool:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._signature(signed).encode()):
            return False
        expires = token_expiry(token)
        return expires is not None and at < expires

    def _signature(self, signed: str) -> str:
        return _base64(hmac.digest(self._key, signed.encode("utf-8", "replace"), "sha256"))


def _encoded(value: dict[str, Any]) -> str:
    return _base64(msgspec.json.encode(value))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
