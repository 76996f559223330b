"""The fake TradingView server, and what it is made of: a synthetic market, scenarios, the listener."""
