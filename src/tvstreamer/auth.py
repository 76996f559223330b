"""Who the user is, as far as TradingView asks: an auth token, and the cookies of a browser session.

It takes credentials from arguments, a mapping of environment variables, a keyring or a HAR file, makes the cookie, reads when a
token expires, and gets another in time where the user says how. It never logs in: tokens and cookies come from the user's
browser. Nothing here prints a secret.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from tvstreamer.addresses import is_theirs
from tvstreamer.constants import ANONYMOUS_TOKEN
from tvstreamer.errors import (
    CredentialsNotFound,
    FramingError,
    InvalidPlan,
    MissingDependencyError,
    TokenExpired,
    TokenRefreshFailed,
    TvError,
    shorten,
)
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import SetAuthToken
from tvstreamer.protocol.settings import is_nobodys

logger = logging.getLogger(__name__)
# pytest shows what the functions of a traceback were called with. Here that is secrets, so it is to leave them out.
__tracebackhide__ = True

AHEAD = 120.0
"""Seconds before a token expires at which another is asked for."""
RETRY = 15.0
"""Seconds after which it is asked for again, where there was none."""
MOST_HAR = 512 * 1024 * 1024
"""Bytes of a HAR file."""

_UNSAFE_IN_HEADER = re.compile(r"[\x00-\x1f\x7f]")
_PAGE_TOKEN = re.compile(r'"auth_token"\s*:\s*"([A-Za-z0-9_.\-]{1,8192})"')
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
        environ: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
        cookie: str | None = None,
        sessionid: str | None = None,
        sessionid_sign: str | None = None,
    ) -> Credentials:
        """What the arguments say, else TVSTREAMER_TOKEN, TVSTREAMER_SESSIONID and TVSTREAMER_SESSIONID_SIGN.

        `environ` is that of the process if none is given. An empty argument or variable counts as not set. `cookie` is a whole
        Cookie header, and wins. When `sessionid` is an argument, the signature is not taken from the environment: it would
        belong to another session.
        """
        environ = os.environ if environ is None else environ
        if not sessionid:
            sessionid = environ.get("TVSTREAMER_SESSIONID")
            sessionid_sign = sessionid_sign or environ.get("TVSTREAMER_SESSIONID_SIGN")
        if not cookie and sessionid:
            cookie = session_cookie(sessionid, sessionid_sign)
        return cls(token or environ.get("TVSTREAMER_TOKEN") or ANONYMOUS_TOKEN, cookie or None)

    @classmethod
    def from_keyring(cls, service: str = "tvstreamer", *, backend: Keyring | None = None) -> Credentials:
        """The passwords `token`, `sessionid` and `sessionid_sign` of a service in the system's keyring, or in another backend.

        Raises `CredentialsNotFound`, or `MissingDependencyError` where keyring is not installed.
        """
        if backend is None:
            try:
                import keyring as backend  # type: ignore[import-not-found,no-redef]
            except ImportError as error:
                raise MissingDependencyError("keyring", "keyring") from error
        assert backend is not None
        try:
            found = [backend.get_password(service, name) for name in ("token", "sessionid", "sessionid_sign")]
        except Exception as error:
            # A locked or absent keyring has errors of many kinds, and none of ours.
            raise CredentialsNotFound(f"keyring {shorten(service)}: cannot be read: {type(error).__name__}") from None
        token, sessionid, sign = found
        if not token and not sessionid:
            raise CredentialsNotFound(f"keyring {shorten(service)}: expected a password for 'token' or 'sessionid'")
        return cls(token or ANONYMOUS_TOKEN, session_cookie(sessionid, sign) if sessionid else None)

    @classmethod
    def from_har(cls, path: str | os.PathLike[str], *, most: int = MOST_HAR) -> Credentials:
        """The newest token and session cookies in a HAR file of at most so many bytes, as a browser's developer tools save it.

        Only what went to TradingView's hosts is looked at. Raises `CredentialsNotFound`, also where the file cannot be read.
        """
        return _from_har(Path(path), most)

    @classmethod
    def of(cls, spec: str, environ: Mapping[str, str]) -> Credentials:
        """What a command line names: `env`, `keyring`, `keyring:SERVICE` or `har:FILE`. Raises `InvalidPlan`, and as those do."""
        kind, _, rest = spec.partition(":")
        if spec == "env":
            return cls.from_environment(environ)
        if kind == "keyring" and spec != "keyring:":
            return cls.from_keyring(rest or "tvstreamer")
        if kind == "har" and rest:
            return cls.from_har(rest)
        raise InvalidPlan(f"auth {shorten(spec)}: expected env, keyring, keyring:SERVICE or har:FILE")

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
        _require_text(name, value)
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


class Keyring(Protocol):
    def get_password(self, service: str, name: str, /) -> str | None: ...


class TokenWatch:
    """Sees ahead that a token expires, and gets another: from `fetch`, or from `expiring`, which is told when it does.

    A hook that fails is asked again, until the token has expired; one that returns None has been told, and that is all.
    """

    def __init__(self, token: str, *, fetch: Callable[[], str] | None, expiring: Callable[[float], str | None] | None) -> None:
        self._fetch = fetch
        self._expiring = expiring
        self._problem = ""
        self._take(token)

    def __repr__(self) -> str:
        return f"<TokenWatch due at {self.due:g}>"

    def _take(self, token: str) -> None:
        self.token = token
        self._expires = token_expiry(token)
        known = self._expires is not None and (self._fetch or self._expiring)
        self.due = (self._expires or 0.0) - AHEAD if known else math.inf

    def start(self, now: float) -> str:
        """The token to begin with. Raises `TokenExpired` or `TokenRefreshFailed`."""
        if self._fetch is not None:
            token = self._ask(now)
            if token is None:
                raise TokenRefreshFailed(f"no token: {self._problem}")
            self._take(token)
        elif self._expires is not None and self._expires <= now:
            if self._expiring is None:
                raise TokenExpired(f"the token expired at {_moment(self._expires)}; expected one that is valid")
            if self.renew(now) is None:
                raise TokenExpired(f"the token expired at {_moment(self._expires)}, and on_token_expiring gave no other")
        return self.token

    def renew(self, now: float) -> str | None:
        """A new token, as this one is about to expire; None if there is none yet. Raises `TokenRefreshFailed`."""
        assert self._expires is not None
        self._problem = ""
        token = self._ask(now)
        if token is not None:
            self._take(token)
        elif not self._problem:
            self.due = math.inf
        elif now >= self._expires:
            raise TokenRefreshFailed(f"the token expired at {_moment(self._expires)}, and there is no other: {self._problem}")
        else:
            logger.warning("= no new token, asking again: %s", self._problem)
            self.due = min(self._expires, now + RETRY)
        return token

    def _ask(self, now: float) -> str | None:
        try:
            token = self._fetch() if self._fetch is not None else self._expiring(self._expires or now)  # type: ignore[misc]
        except TvError as error:
            self._problem = f"the hook raised {type(error).__name__}: {error}"
            return None
        except Exception as error:
            # Its text may hold what it was sent or got; no text of ours does.
            self._problem = f"the hook raised {type(error).__name__}"
            return None
        if token is None and self._fetch is None:
            return None
        if not isinstance(token, str) or not token or _UNSAFE_IN_HEADER.search(token):
            self._problem = f"the hook returned {type(token).__name__}, expected a token"
            return None
        expires = token_expiry(token)
        if expires is not None and expires <= now:
            self._problem = "the hook returned a token that has expired"
            return None
        return token


def _moment(time: float) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{time:g}"


# --- HAR --------------------------------------------------------------------------------------------------------------


class _Pair(msgspec.Struct, gc=False):
    name: str = ""
    value: str = ""


class _Request(msgspec.Struct, gc=False):
    url: str = ""
    headers: list[_Pair] = []
    cookies: list[_Pair] = []


class _Content(msgspec.Struct, gc=False):
    text: str = ""


class _Response(msgspec.Struct, gc=False):
    content: _Content = msgspec.field(default_factory=_Content)


class _Message(msgspec.Struct, gc=False):
    type: str = ""
    data: str = ""


class _Entry(msgspec.Struct, gc=False):
    request: _Request = msgspec.field(default_factory=_Request)
    response: _Response = msgspec.field(default_factory=_Response)
    messages: list[_Message] = msgspec.field(name="_webSocketMessages", default_factory=list)


class _Log(msgspec.Struct, gc=False):
    entries: list[_Entry]


class _Har(msgspec.Struct, gc=False):
    log: _Log


def page_token(page: str) -> str:
    """The token that a page of the site holds for whoever is logged in; "" for none. Of several it is the last."""
    if "auth_token" not in page:
        return ""
    found = [each for each in _PAGE_TOKEN.findall(page) if not is_nobodys(each)]
    return found[-1] if found else ""


def _from_har(path: Path, most: int) -> Credentials:
    name = shorten(str(path))
    try:
        with path.open("rb") as file:
            # A device has no size to be asked for, and need not have an end.
            content = file.read(most + 1)
        if len(content) > most:
            raise CredentialsNotFound(f"{name}: more than {most} bytes, expected a HAR file of at most so many")
        entries = msgspec.json.decode(content, type=_Har).log.entries
    except OSError as error:
        raise CredentialsNotFound(f"{name}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # Their texts may quote the file.
        raise CredentialsNotFound(f"{name}: expected a HAR file, as a browser saves it") from None
    token = ""
    cookies: dict[str, str] = {}
    for entry in entries:
        if is_theirs(entry.request.url):
            token = _token_in(entry) or token
            cookies |= _cookies_in(entry.request)
    sessionid = cookies.get("sessionid")
    if not token and not sessionid:
        raise CredentialsNotFound(f"{name}: holds no token and no session of TradingView; was it saved with sensitive data?")
    return Credentials(token or ANONYMOUS_TOKEN, session_cookie(sessionid, cookies.get("sessionid_sign")) if sessionid else None)


def _token_in(entry: _Entry) -> str:
    """The last token that was sent on a socket, or else stands in a page."""
    token = ""
    for message in entry.messages:
        if message.type == "send" and "set_auth_token" in message.data:
            with contextlib.suppress(FramingError):
                for payload in framing.split(message.data):
                    command = codec.decode_command(payload)
                    if isinstance(command, SetAuthToken) and not is_nobodys(command.p.token):
                        token = command.p.token
    return token or page_token(entry.response.content.text)


def _cookies_in(request: _Request) -> dict[str, str]:
    pairs = [(each.name, each.value) for each in request.cookies]
    for header in request.headers:
        if header.name.lower() == "cookie":
            pairs += [(name.strip(), value) for name, _, value in (part.partition("=") for part in header.value.split(";"))]
    return {name: value for name, value in pairs if name in ("sessionid", "sessionid_sign") and value}


def require_header_safe(name: str, value: str) -> None:
    """Raises `InvalidPlan`, without the value, when it could smuggle a second header line."""
    _require_text(name, value)
    if _UNSAFE_IN_HEADER.search(value):
        raise InvalidPlan(f"{name} (not shown, {len(value)} characters): expected no control characters")


def _require_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidPlan(f"{name} (not shown, {type(value).__name__}): expected text")
