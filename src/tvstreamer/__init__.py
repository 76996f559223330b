"""Record, replay and fake TradingView's WebSocket feed.

Nothing happens on import: names are loaded when they are first used, no third-party module before that, and the package's
logger stays silent until an application calls `configure_logging`.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "tvstreamer.wsclient": ("TvWSClient",),
    "tvstreamer.answers": ("HistoryResult", "QuoteSnapshot"),
    "tvstreamer.protocol.history": ("HistoryProgress",),
    "tvstreamer.protocol.limits": ("Limits",),
    "tvstreamer.streaming": ("StreamRouter",),
    "tvstreamer.protocol.subscription": ("Subscription",),
    "tvstreamer.intervals": ("Interval",),
    "tvstreamer.symbols": ("Symbol",),
    "tvstreamer.auth": ("Credentials",),
    "tvstreamer.http": ("HttpClient", "SearchPage", "SymbolMatch"),
    "tvstreamer.studies": ("Study",),
    "tvstreamer.server.fake": ("FakeServer",),
    "tvstreamer.proxy": ("Proxy",),
    "tvstreamer.bar_replay": ("BarReplay",),
    "tvstreamer.faults": ("FaultPlan",),
    "tvstreamer.reconnect": ("ReconnectPolicy",),
    "tvstreamer.protocol.watchdogs": ("Watchdogs",),
    "tvstreamer.clock": ("Clock", "ScaledClock", "SystemClock", "VirtualClock"),
    "tvstreamer.logging_utils": ("configure_logging", "trace"),
    "tvstreamer.events": (
        "Bar", "Connected", "Disconnected", "Event", "Gap", "HistoryComplete", "Notice", "Quote", "Reconnected",
        "SeriesFailed", "Stalled", "StudyFailed", "StudyUpdate", "SymbolFailed", "SymbolInfo", "Tick",
    ),
    "tvstreamer.errors": (
        "AuthError", "ConnectFailed", "ContinuityError", "CredentialsError", "CredentialsNotFound",
        "CriticalError", "FramingError", "InvalidInterval", "InvalidPlan",
        "InvalidSource", "InvalidStudy", "InvalidSymbol", "LimitExceeded", "LocalProtocolError", "MailboxFull",
        "MissingDependencyError",
        "ProtocolError", "RemoteProtocolError", "SeriesError", "ServerError", "ServerStartError", "SymbolError",
        "TapeError", "TapeExhausted", "TapeFormatError", "TapeMismatch", "TapeVersionError", "TapeWriteError",
        "TokenExpired", "TokenRefreshFailed",
        "TransportBusy", "TransportClosed", "TransportError", "TransportTimeout", "TvError", "UnsupportedFault",
        "VerificationFailed",
    ),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

# Written out once more: type checkers read this list, and cannot read the table.
__all__ = [
    "AuthError", "Bar", "BarReplay", "Clock", "ConnectFailed", "Connected", "ContinuityError", "Credentials",
    "CredentialsError", "CredentialsNotFound", "CriticalError", "Disconnected", "Event", "FakeServer", "FaultPlan",
    "FramingError", "Gap", "HistoryComplete", "HistoryProgress", "HistoryResult", "HttpClient", "Interval", "InvalidInterval",
    "InvalidPlan", "InvalidSource", "InvalidStudy", "InvalidSymbol", "LimitExceeded", "Limits",
    "LocalProtocolError", "MailboxFull", "MissingDependencyError", "Notice", "ProtocolError", "Proxy", "Quote",
    "QuoteSnapshot", "ReconnectPolicy", "Reconnected", "RemoteProtocolError", "ScaledClock", "SearchPage", "SeriesError",
    "SeriesFailed", "ServerError", "ServerStartError", "Stalled", "StreamRouter", "Study", "StudyFailed",
    "StudyUpdate", "Subscription", "Symbol", "SymbolError", "SymbolFailed", "SymbolInfo", "SymbolMatch", "SystemClock",
    "TapeError", "TapeExhausted", "TapeFormatError", "TapeMismatch", "TapeVersionError", "TapeWriteError", "Tick",
    "TokenExpired", "TokenRefreshFailed", "TransportBusy", "TransportClosed", "TransportError", "TransportTimeout",
    "TvError", "TvWSClient", "UnsupportedFault", "VerificationFailed", "VirtualClock", "Watchdogs", "__version__",
    "configure_logging", "trace",
]  # fmt: skip

if TYPE_CHECKING:
    from tvstreamer.answers import HistoryResult, QuoteSnapshot
    from tvstreamer.auth import Credentials
    from tvstreamer.bar_replay import BarReplay
    from tvstreamer.clock import Clock, ScaledClock, SystemClock, VirtualClock
    from tvstreamer.errors import (
        AuthError,
        ConnectFailed,
        ContinuityError,
        CredentialsError,
        CredentialsNotFound,
        CriticalError,
        FramingError,
        InvalidInterval,
        InvalidPlan,
        InvalidSource,
        InvalidStudy,
        InvalidSymbol,
        LimitExceeded,
        LocalProtocolError,
        MailboxFull,
        MissingDependencyError,
        ProtocolError,
        RemoteProtocolError,
        SeriesError,
        ServerError,
        ServerStartError,
        SymbolError,
        TapeError,
        TapeExhausted,
        TapeFormatError,
        TapeMismatch,
        TapeVersionError,
        TapeWriteError,
        TokenExpired,
        TokenRefreshFailed,
        TransportBusy,
        TransportClosed,
        TransportError,
        TransportTimeout,
        TvError,
        UnsupportedFault,
        VerificationFailed,
    )
    from tvstreamer.events import (
        Bar,
        Connected,
        Disconnected,
        Event,
        Gap,
        HistoryComplete,
        Notice,
        Quote,
        Reconnected,
        SeriesFailed,
        Stalled,
        StudyFailed,
        StudyUpdate,
        SymbolFailed,
        SymbolInfo,
        Tick,
    )
    from tvstreamer.faults import FaultPlan
    from tvstreamer.http import HttpClient, SearchPage, SymbolMatch
    from tvstreamer.intervals import Interval
    from tvstreamer.logging_utils import configure_logging, trace
    from tvstreamer.protocol.history import HistoryProgress
    from tvstreamer.protocol.limits import Limits
    from tvstreamer.protocol.subscription import Subscription
    from tvstreamer.protocol.watchdogs import Watchdogs
    from tvstreamer.proxy import Proxy
    from tvstreamer.reconnect import ReconnectPolicy
    from tvstreamer.server.fake import FakeServer
    from tvstreamer.streaming import StreamRouter
    from tvstreamer.studies import Study
    from tvstreamer.symbols import Symbol
    from tvstreamer.wsclient import TvWSClient

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
