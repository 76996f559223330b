"""Quotes that a recorded server delivered in full, found on a tape."""

from __future__ import annotations

from pathlib import Path

from tvstreamer.errors import FramingError
from tvstreamer.protocol import codec
from tvstreamer.protocol.packets import QuoteCompleted, QuoteCreateSession, QuoteData, QuoteSetFields, QuoteUpdate
from tvstreamer.protocol.snapshots import QuoteRequest
from tvstreamer.symbols import symbol_name, wire_quote
from tvstreamer.tape.format import Record, moment
from tvstreamer.tape.reader import TapeReader

_Session = tuple[int, str]


def recorded_quotes(path: Path, symbols: list[str], fields: tuple[str, ...] | None, *, exactly: bool) -> QuoteRequest:
    """A request with the first full delivery of each symbol; it is not `done` where one is not on the tape.

    A recorded session that asked for all of the fields is preferred; without `exactly` those that another asked for will do.
    Where all fields are wanted it must not have named any.
    """
    wanted = frozenset(fields or ())
    asked: dict[_Session, frozenset[str] | None] = {}
    requests: dict[_Session, QuoteRequest] = {}
    answer, partial = QuoteRequest(symbols, fields), QuoteRequest(symbols, fields)
    with TapeReader(path) as reader:
        for record in reader:
            for payload in _payloads(record):
                if record.k == "send":
                    _learn(record.c, payload, asked)
                    continue
                reply = codec.decode_reply(payload)
                if isinstance(reply, QuoteData | QuoteCompleted):
                    session = (record.c, reply.p.session)
                    has = asked.get(session)
                    whole = has is None or (fields is not None and wanted <= has)
                    if whole or (has is not None and wanted & has):
                        request = requests.setdefault(session, QuoteRequest(symbols, fields))
                        _play(request, reply, moment(reader.header.start, record.t), fields)
                        (answer if whole else partial).merge(request)
            if answer.done:
                break
    if not exactly:
        answer.merge(partial)
    return answer


def _learn(connection: int, payload: str, asked: dict[_Session, frozenset[str] | None]) -> None:
    """Which fields a session asks for; None for all."""
    match codec.decode_command(payload):
        case QuoteCreateSession(p=p):
            asked[connection, p.session] = None
        case QuoteSetFields(session=session, names=names):
            asked[connection, session] = frozenset(names)
        case _:
            pass


def _play(request: QuoteRequest, reply: QuoteData | QuoteCompleted, at: float, fields: tuple[str, ...] | None) -> None:
    """Gives a reply to a request of our own, under the string that we would have sent."""
    if isinstance(reply, QuoteCompleted):
        request.completed(_ours(reply.p.symbol), at)
    else:
        update = reply.p.update
        values = update.v if fields is None else {key: value for key, value in update.v.items() if key in fields}
        request.take(QuoteUpdate(_ours(update.n), update.s, update.errmsg, values), at)


def _ours(name: str) -> str:
    return wire_quote(symbol_name(name))


def _payloads(record: Record) -> list[str]:
    try:
        return record.payloads() if record.k in ("send", "recv") else []
    except FramingError:
        return []
