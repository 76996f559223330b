"""Ids of one run, rewritten to those of another.

A tape holds the session, series, symbol and turnaround ids of the run that made it; whoever replays it has ids of its own.
`Aliases` keeps which recorded thing stands for which live one, and rewrites recorded packets: what nobody asked for comes
out as nothing, what two asked for comes out twice. It works on untyped packets, because everything else in them has to come
through as it is; together with the codec it is the only place that knows positions.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tvstreamer.protocol import codec, framing

_decode = msgspec.json.Decoder().decode

_UPDATES = ('{"m":"qsd","p":["', '{"m":"du","p":["')

LiveSeries = tuple[str, str, str]
"""Chart session, series and turnaround, as the live client named them. A study is one too: ids of both are of one kind."""


class Aliases:
    """Recorded ids -> live ids, for one connection."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], list[LiveSeries]] = {}
        self._ended: dict[tuple[str, str], list[LiveSeries]] = {}
        """Series that the live client removed. That they are gone is still told, as the last thing of them."""
        self._symbols: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._quotes: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._answered: set[tuple[str, str]] = set()
        """The live quotes of which something has come."""
        self._heads: dict[str, list[str]] = {}
        """How the beginning of a quote or bar update is rewritten, while nothing new is learned."""

    # --- learning -------------------------------------------------------------------------------------------------

    def bind_series(self, recorded: tuple[str, str], live: LiveSeries) -> None:
        self._heads.clear()
        _add(self._series, recorded, live)

    def bind_symbol(self, recorded: tuple[str, str], live: tuple[str, str]) -> None:
        """(chart session, symbol alias) on both sides. A live alias is answered once: by what it was bound to last."""
        for targets in self._symbols.values():
            if live in targets:
                targets.remove(live)
        _add(self._symbols, recorded, live)

    def bind_quote(self, recorded: tuple[str, str], live: tuple[str, str]) -> None:
        """(quote session, symbol string) on both sides."""
        self._heads.clear()
        self._answered.discard(live)
        _add(self._quotes, recorded, live)

    def has_quote(self, session: str, name: str) -> bool:
        """Whether any recorded quote stands for this live one."""
        return self._recorded_quote(session, name) is not None

    def unanswered_quote(self, session: str, name: str) -> tuple[str, str] | None:
        """The recorded quote that stands for this live one and has brought nothing so far; None where there is none."""
        return None if (session, name) in self._answered else self._recorded_quote(session, name)

    def _recorded_quote(self, session: str, name: str) -> tuple[str, str] | None:
        return next((recorded for recorded, targets in self._quotes.items() if (session, name) in targets), None)

    def forget_series(self, session: str, series: str | None = None) -> None:
        """Nothing more for this live series, or for all of a chart session."""
        self._heads.clear()
        for recorded, targets in self._series.items():
            ended = [each for each in targets if each[0] == session and series in (None, each[1])]
            targets[:] = [each for each in targets if each not in ended]
            self._ended.setdefault(recorded, []).extend(ended)
        if series is None:
            self._ended = {key: [each for each in ended if each[0] != session] for key, ended in self._ended.items()}

    def forget_quote(self, session: str, name: str | None = None) -> None:
        self._heads.clear()
        for targets in self._quotes.values():
            targets[:] = [each for each in targets if each[0] != session or name not in (None, each[1])]

    # --- rewriting ------------------------------------------------------------------------------------------------

    def rewrite(self, payload: str) -> list[str]:
        """A recorded payload as the live client has to get it: none, one or several."""
        if framing.heartbeat(payload):
            return [payload]
        if payload.startswith(_UPDATES):
            return self._rewrite_update(payload)
        return self._rewrite_packet(payload)

    def _rewrite_update(self, payload: str) -> list[str]:
        """The bulk of a tape. Ids stand before the values, so what was done to one beginning serves for all alike."""
        cut = payload.find('"s":')
        head, tail = payload[:cut], payload[cut:]
        heads = self._heads.get(head)
        if heads is not None and tail.count('"t":"') <= 1:
            return [each + tail for each in heads]
        rewritten = self._rewrite_packet(payload)
        # Only a beginning can be remembered: not where a turnaround has another name now, or another series stands behind it.
        if cut >= 0 and all(text.endswith(tail) for text in rewritten):
            self._heads[head] = [text.removesuffix(tail) for text in rewritten]
        return rewritten

    def _rewrite_packet(self, payload: str) -> list[str]:
        if codec.too_deep(payload):
            return [payload]
        try:
            packet = _decode(payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return [payload]
        if not isinstance(packet, dict) or not isinstance(packet.get("p"), list) or not packet["p"]:
            return [payload]
        return [codec.wire_json({**packet, "p": p}) for p in self._rewrite(packet.get("m"), packet["p"])]

    def _rewrite(self, method: Any, p: list[Any]) -> list[list[Any]]:
        match method, p:
            case "qsd", [str(session), {"n": str(name), **rest}, *tail]:
                return [[qs, {"n": n, **rest}, *tail] for qs, n in self._answer(session, name)]
            case "quote_completed", [str(session), str(name), *tail]:
                return [[qs, n, *tail] for qs, n in self._answer(session, name)]
            case ("symbol_resolved" | "symbol_error"), [str(session), str(alias), *tail]:
                return [[cs, a, *tail] for cs, a in self._symbols.get((session, alias), ())]
            case ("timescale_update" | "du"), [str(session), dict(objects), *tail]:
                return self._rewrite_objects(session, objects, tail)
            case "series_completed", [str(session), str(series), mode, _, *tail]:
                return [[cs, s, mode, turn, *tail] for cs, s, turn in self._series.get((session, series), ())]
            case ("study_loading" | "study_completed" | "study_error" | "study_deleted"), [str(session), str(study), *tail]:
                lives = list(self._series.get((session, study), ()))
                if method == "study_deleted":
                    lives += self._ended.get((session, study), ())
                return [[cs, s, *([turn] if tail else []), *tail[1:]] for cs, s, turn in lives]
            case ("series_loading" | "series_error" | "series_timeframe"), [str(session), str(series), _, *tail]:
                return [[cs, s, turn, *tail] for cs, s, turn in self._series.get((session, series), ())]
            case "series_deleted", [str(session), str(series), *tail]:
                lives = [*self._series.get((session, series), ()), *self._ended.get((session, series), ())]
                return [[cs, s, *tail] for cs, s, _ in lives]
            case ("series_completed" | "series_loading" | "series_error"), [str(session), str(series), *tail]:
                return [[cs, s, *tail] for cs, s, _ in self._series.get((session, series), ())]
            case "protocol_error", _:
                return [p]
            case _, [str(session), *tail]:
                return [[live, *tail] for live in self._sessions(session)]
        return [p]

    def _answer(self, session: str, name: str) -> list[tuple[str, str]]:
        """The live quotes that something comes for."""
        lives = self._quotes.get((session, name), [])
        self._answered.update(lives)
        return lives

    def _rewrite_objects(self, session: str, objects: dict[str, Any], tail: list[Any]) -> list[list[Any]]:
        """Bars of several series in one packet go to the chart session that each of them now belongs to."""
        by_session: dict[str, dict[str, Any]] = {}
        for name, data in objects.items():
            for live, series, turnaround in self._series.get((session, name), ()):
                renamed = {**data, "t": turnaround} if isinstance(data, dict) and "t" in data else data
                by_session.setdefault(live, {})[series] = renamed
        if not objects:
            by_session = {live: {} for live in self._sessions(session)}
        return [[live, renamed, *tail] for live, renamed in by_session.items()]

    def _sessions(self, session: str) -> list[str]:
        """The live sessions that took over anything of a recorded one."""
        lives = [each[0] for key, targets in self._series.items() if key[0] == session for each in targets]
        lives += [each[0] for key, targets in self._symbols.items() if key[0] == session for each in targets]
        lives += [each[0] for key, targets in self._quotes.items() if key[0] == session for each in targets]
        return list(dict.fromkeys(lives))


def _add(table: dict[Any, list[Any]], key: Any, value: Any) -> None:
    targets = table.setdefault(key, [])
    if value not in targets:
        targets.append(value)
