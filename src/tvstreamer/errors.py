"""Every exception that tvstreamer raises.

::

    TvError
      TransportError
        ConnectFailed
        TransportClosed
        TransportTimeout (also a TimeoutError)
        TransportBusy
      ProtocolError
        LocalProtocolError
        RemoteProtocolError
          FramingError
      ServerError
        SymbolError
        SeriesError
        CriticalError
        AuthError
      CredentialsError
        CredentialsNotFound
        TokenExpired
        TokenRefreshFailed
      TapeError
        TapeFormatError
        TapeVersionError
        TapeMismatch
        TapeExhausted
        TapeWriteError
      InvalidSymbol (also a ValueError)
      InvalidInterval (also a ValueError)
      InvalidStudy (also a ValueError)
      InvalidSource (also a ValueError)
      InvalidPlan (also a ValueError)
        LimitExceeded
      ContinuityError
      MailboxFull
      UnsupportedFault
      ServerStartError
      VerificationFailed (also an AssertionError)
      MissingDependencyError (also an ImportError)

Exceptions carry data; their text is built from it. `shorten` keeps values from outside readable, and short, in
a message.
"""

from __future__ import annotations

_SHOWN = 120
_TEMPORARY = (408, 425, 429)
"""HTTP refusals that say: not now."""


def shorten(value: object, limit: int = _SHOWN) -> str:
    """The repr of a value for use in an error message, cut in the middle when it is long."""
    text = repr(value)
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}...{text[-half:]} ({len(text)} characters)"


class TvError(Exception):
    """The base of all errors raised by tvstreamer."""


class TransportError(TvError):
    """A connection could not be made, or ended, or was misused."""


class ConnectFailed(TransportError):
    """No connection came about.

    `status` is the HTTP status where the server answered the handshake at all, `retry_after` for how many seconds it then
    does not want to hear of us. `permanent` says that it is no use to try again: a certificate that is not accepted, an
    address that is none, a refusal like 403.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        permanent: bool = False,
    ) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason
        self.status = status
        self.retry_after = retry_after
        refused = status is not None and 300 <= status < 500 and status not in _TEMPORARY
        self.permanent = permanent or refused

    def __str__(self) -> str:
        return f"cannot connect to {self.url}: {self.reason}"


class TransportClosed(TransportError):
    """The connection is over. `code` and `reason` are those of the WebSocket close, 1006 where there was none.

    `at` is the moment of it on the connection's clock, where the transport keeps one (a recording, a tape);
    `by_this_side` tells an end that the client made, or had made when it was recorded, from a loss.
    """

    def __init__(
        self, code: int = 1006, reason: str = "", *, at: float | None = None, by_this_side: bool = False
    ) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.at = at
        self.by_this_side = by_this_side

    def __str__(self) -> str:
        return f"connection closed with code {self.code}" + (f": {self.reason}" if self.reason else "")


class TransportTimeout(TransportError, TimeoutError):
    """Nothing arrived in time. Nothing is lost either: the next `recv` goes on where this one stopped."""


class TransportBusy(TransportError):
    """Another thread is already reading from this transport."""


class ProtocolError(TvError):
    """The conversation broke TradingView's protocol."""


class LocalProtocolError(ProtocolError):
    """You asked for something that makes no sense in the present state."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that cannot be understood, beyond what is tolerated."""


class FramingError(RemoteProtocolError):
    """A message is not a sequence of whole packets. `offset` is the character at which it stops being one."""

    def __init__(self, problem: str, offset: int, near: str = "") -> None:
        super().__init__(problem, offset, near)
        self.problem = problem
        self.offset = offset
        self.near = near

    def __str__(self) -> str:
        return f"broken framing at character {self.offset}: {self.problem}" + (
            f", near {shorten(self.near)}" if self.near else ""
        )


class ServerError(TvError):
    """The server said no. `reply` is the packet that said so."""

    def __init__(self, message: str, reply: object = None) -> None:
        super().__init__(message)
        self.reply = reply


class SymbolError(ServerError):
    """The symbol is unknown, or this account may not see it."""


class SeriesError(ServerError):
    """The server will not deliver this series."""


class CriticalError(ServerError):
    """The server rejected a call outright; the chart or quote session may be unusable."""


class AuthError(ServerError):
    """The token was refused."""


class CredentialsError(TvError):
    """There is something about the credentials on this side; the server was not asked. No text of these holds a secret."""


class CredentialsNotFound(CredentialsError):
    """There are no credentials where they were to be taken from."""


class TokenExpired(CredentialsError):
    """The token says itself that its time is over, and nothing is there that would get another."""


class TokenRefreshFailed(CredentialsError):
    """No new token came from where new ones were to come from."""


class TapeError(TvError):
    """Something about a tape."""


class TapeFormatError(TapeError):
    """This is not a readable tape. `line` is the 1-based line number, where there is one."""

    def __init__(self, problem: str, *, path: str = "", line: int | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path
        self.line = line

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.path, self.line) if part not in ("", None))
        return f"{place}: {self.problem}" if place else self.problem


class TapeVersionError(TapeError):
    """The tape was written in a format version that this release cannot read."""


class TapeMismatch(TapeError):
    """What was asked for is not on the tape. `nearest` is the most similar thing that is, `diff` how the two differ."""

    def __init__(self, problem: str, *, nearest: str = "", diff: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.nearest = nearest
        self.diff = diff

    def __str__(self) -> str:
        text = f"{self.problem}; the nearest on the tape is {self.nearest}" if self.nearest else self.problem
        return f"{text}\n{self.diff}" if self.diff else text


class TapeExhausted(TapeError):
    """The tape holds no further connection."""


class TapeWriteError(TapeError):
    """The recording could not be written. What was flushed before stays readable."""


class InvalidSymbol(TvError, ValueError):
    """Not of the form EXCHANGE:TICKER."""


class InvalidInterval(TvError, ValueError):
    """Not an interval that TradingView knows."""


class InvalidStudy(TvError, ValueError):
    """Not a study that we know or the wire could name, or an input that it does not take."""


class InvalidSource(TvError, ValueError):
    """A `source=` that names nothing, or has an unknown or malformed option."""


class InvalidPlan(TvError, ValueError):
    """An argument outside of its range, or a combination that has no meaning."""


class LimitExceeded(InvalidPlan):
    """More is asked for than the limits allow that the client was given. The server was not asked."""


class ContinuityError(TvError):
    """Something was missed, and the client was told to fail then (`on_gap="raise"`). `gap` is the `Gap` event."""

    def __init__(self, message: str, gap: object = None) -> None:
        super().__init__(message)
        self.gap = gap


class MailboxFull(TvError):
    """A consumer fell so far behind that its mailbox overflowed, and its policy forbids to drop."""


class UnsupportedFault(TvError):
    """This carrier cannot produce that kind of fault."""


class ServerStartError(TvError):
    """The fake server could not start to listen."""


class VerificationFailed(TvError, AssertionError):
    """Clients of a fake server did not do what they were expected to do.

    `nearest` are the entries of its journal that come nearest, as lines of text.
    """

    def __init__(self, expected: str, found: str, nearest: list[str]) -> None:
        super().__init__(expected, found, nearest)
        self.expected = expected
        self.found = found
        self.nearest = nearest

    def __str__(self) -> str:
        lines = [f"expected {self.expected}, found {self.found}"]
        lines.append("the nearest entries of the journal:" if self.nearest else "the journal is empty")
        return "\n  ".join([*lines, *self.nearest])


class MissingDependencyError(TvError, ImportError):
    """An optional package is absent. The text names the extra to install."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, extra)
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.package} is not installed; it comes with: pip install 'tvstreamer[{self.extra}]'"
