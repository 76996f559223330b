"""What streaming clients ask for beside the socket, by plain HTTP: symbol search, and the token of a browser session."""

from tvstreamer.http.client import HttpClient
from tvstreamer.http.search import SearchPage, SymbolMatch

__all__ = ["HttpClient", "SearchPage", "SymbolMatch"]
