"""The control API of a fake server over HTTP: what `FakeServer` can be told in Python, for tests in any language.

Whoever has the token may do everything; nobody else may do anything but `GET /ping`. Answers are JSON, errors too:
`{"error": "..."}` with the value and what was expected.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from tvstreamer.errors import InvalidPlan, TvError, shorten
from tvstreamer.faults import parse_plan
from tvstreamer.faults.toml import read_plan
from tvstreamer.server.http.http11 import HttpRequest, HttpResponse, json_response, not_allowed

if TYPE_CHECKING:
    from tvstreamer.server.fake import FakeServer
    from tvstreamer.server.manners import SiteState

T = TypeVar("T")

_MOST_ENTRIES: Final = 10_000


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Disconnect(_Body):
    code: int = 1006
    reason: str = ""
    number: int | None = None


class Seek(_Body):
    time: float | str


class Tick(_Body):
    symbol: str
    price: float
    size: float = 1.0


class Bars(_Body):
    symbol: str
    interval: str
    rows: list[list[float]]


class CloseBar(_Body):
    symbol: str
    interval: str


class Site(_Body):
    state: str


class Change(_Body):
    """What is put into the market, in this order."""

    bars: Bars | None = None
    tick: Tick | None = None
    close_bar: CloseBar | None = None


class Control:
    """Answers the requests of whoever has the token."""

    def __init__(self, server: FakeServer, token: str) -> None:
        self._server = server
        self._token = token.encode()
        self._routes: dict[str, dict[str, Callable[[HttpRequest], Any]]] = {
            "/journal": {"GET": self._journal},
            "/status": {"GET": self._status},
            "/faults": {"GET": self._fired, "POST": self._faults, "DELETE": self._no_faults},
            "/disconnect": {"POST": self._disconnect},
            "/pause": {"POST": self._pause},
            "/resume": {"POST": self._resume},
            "/seek": {"POST": self._seek},
            "/market": {"POST": self._market},
            "/site": {"POST": self._site},
        }

    def __repr__(self) -> str:
        return f"<Control of {self._server!r}>"

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        if request.path == "/ping":
            return None
        if not self._is_allowed(request):
            refused = json_response(401, {"error": "Authorization: expected Bearer and this server's control token"})
            return HttpResponse(refused.status, refused.body, refused.content_type, (("WWW-Authenticate", "Bearer"),))
        route = self._routes.get(request.path)
        if route is None:
            expected = ", ".join(["/ping", *self._routes])
            return json_response(404, {"error": f"path {shorten(request.path)}: expected one of {expected}"})
        refusal = not_allowed(request, *route)
        if refusal is not None:
            answer = json_response(405, {"error": refusal.body.strip()})
            return HttpResponse(405, answer.body, answer.content_type, refusal.headers)
        try:
            return json_response(200, route[request.method](request))
        except (TvError, ValueError) as error:
            return json_response(400, {"error": str(error)})

    def _is_allowed(self, request: HttpRequest) -> bool:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        # In constant time, so that it cannot be guessed a character at a time.
        return kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token)

    def _journal(self, request: HttpRequest) -> Any:
        query = dict(request.query)
        limit = _number(query.pop("limit", str(_MOST_ENTRIES)), "limit")
        connection = query.pop("connection", None)
        number = None if connection is None else _number(connection, "connection")
        kind, method = query.pop("kind", None), query.pop("method", None)
        if query:
            raise InvalidPlan(f"{shorten(next(iter(query)))}: expected kind, method, connection, limit")
        entries = [
            entry
            for entry in self._server.journal
            if (kind is None or entry.kind == kind)
            and (method is None or entry.method == method)
            and (number is None or entry.connection == number)
        ]
        newest = entries[max(0, len(entries) - min(limit, _MOST_ENTRIES)) :]
        shown = [msgspec.structs.asdict(entry) | {"direction": entry.direction} for entry in newest]
        return {"entries": shown, "left_out": len(entries) - len(newest)}

    def _status(self, _request: HttpRequest) -> Any:
        server = self._server
        return {"time": server.clock.now(), "paused": server.paused, "connections": server.connections}

    def _faults(self, request: HttpRequest) -> Any:
        text = _text(request)
        if not text.strip():
            raise InvalidPlan("body '': expected a plan of faults, TOML or JSON; DELETE takes all faults away")
        plan = read_plan(_json(text)) if text.lstrip().startswith("{") else parse_plan(text)
        self._server.set_faults(plan)
        return {"faults": len(list(plan))}

    def _no_faults(self, _request: HttpRequest) -> Any:
        self._server.set_faults(None)
        return {"faults": 0}

    def _fired(self, _request: HttpRequest) -> Any:
        fired = self._server.fired[-_MOST_ENTRIES:]
        return {"fired": [each._asdict() for each in fired]}

    def _disconnect(self, request: HttpRequest) -> Any:
        asked = _read(request, Disconnect)
        return {"disconnected": self._server.disconnect(code=asked.code, reason=asked.reason, number=asked.number)}

    def _pause(self, _request: HttpRequest) -> Any:
        self._server.pause()
        return {"time": self._server.clock.now()}

    def _resume(self, _request: HttpRequest) -> Any:
        self._server.resume()
        return {"time": self._server.clock.now()}

    def _seek(self, request: HttpRequest) -> Any:
        self._server.seek(_read(request, Seek).time)
        return {"time": self._server.clock.now()}

    def _site(self, request: HttpRequest) -> Any:
        state = _read(request, Site).state
        self._server.set_site(cast("SiteState", state))
        return {"state": state}

    def _market(self, request: HttpRequest) -> Any:
        change = _read(request, Change)
        market = self._server.market
        if change == Change():
            raise InvalidPlan(f"body {shorten(_text(request))}: expected tick, bars or close_bar")
        if change.bars is not None:
            market.bars(change.bars.symbol, change.bars.interval, change.bars.rows)
        if change.tick is not None:
            market.tick(change.tick.symbol, change.tick.price, size=change.tick.size)
        if change.close_bar is not None:
            market.close_bar(change.close_bar.symbol, change.close_bar.interval)
        return {"time": self._server.clock.now()}


def _text(request: HttpRequest) -> str:
    try:
        return request.body.decode()
    except UnicodeDecodeError as exc:
        raise InvalidPlan(f"body: not UTF-8 at byte {exc.start}") from exc


def _read(request: HttpRequest, kind: type[T]) -> T:
    """The body as one of the structs above; without a body, as its defaults."""
    text = _text(request) or "{}"
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError) as exc:
        fields = ", ".join(getattr(kind, "__struct_fields__", ()))
        raise InvalidPlan(f"body {shorten(text)}: {exc}; expected JSON with {fields}") from exc


def _json(text: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidPlan(f"not JSON: {exc}") from exc
    return document


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidPlan(f"{what} {shorten(text)}: expected a whole number")
    return int(text)
