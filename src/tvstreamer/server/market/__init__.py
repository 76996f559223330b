"""Where prices come from: what the fake server, whoever asks and however, tells of any symbol at any time."""

from tvstreamer.server.market.market import UNKNOWN, Market, Unknown, market_start

__all__ = ["UNKNOWN", "Market", "Unknown", "market_start"]
