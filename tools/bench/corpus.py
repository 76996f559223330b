"""Traffic to measure with: invented values in the shapes of the wire, the same for the same seed.

About 80 % of the packets are quote updates and 20 % bar updates; there is a heartbeat every 10 seconds, one message in ten
carries 2 to 5 packets, and each series starts with a snapshot. The time of the traffic is its own: about 33 messages a
second.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.packets import CreateSeries, QuoteAddSymbols
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.tape.format import Header
from tvstreamer.tape.redact import Redactor, new_key
from tvstreamer.tape.writer import TapeWriter

START = 1_800_000_000.0
"""When the traffic begins: on a full minute."""
_RATE = 33.0
_LOAD_EVERY = 60
"""Messages from one snapshot to the next: the last of eight comes after a quarter of a minute."""
_MINUTE = 60
_SNAPSHOT_BARS = 320
_SYMBOLS = [f"NOVA:{name}" for name in "ALDER BIRCH CEDAR ELDER HAZEL MAPLE ROWAN WILLOW".split()]

Message = tuple[float, str]


class _Series:
    """One series of the invented market, and its forming bar."""

    def __init__(self, command: CreateSeries, symbol: str, price: float) -> None:
        self.session = command.p.session
        self.name = command.p.series
        self.turnaround = command.p.turnaround
        self.symbol = symbol
        self.index = _SNAPSHOT_BARS - 1
        self.time = 0
        self.values = [price] * 4
        self.volume = 0


class Corpus:
    """A source of messages, and the commands that they answer.

    A short corpus has as many snapshots for its length as a long one, as far as its series suffice: they would be most of
    it otherwise.
    """

    def __init__(self, messages: int, *, seed: int = 1) -> None:
        self.messages = messages
        self._seed = seed
        self._rng = random.Random(seed)
        self._prices = {symbol: self._rng.uniform(20, 400) for symbol in _SYMBOLS}
        self._volumes = {symbol: self._rng.randrange(100_000) for symbol in _SYMBOLS}
        client = ClientProtocol(rng=self._rng)
        followed = max(1, min(len(_SYMBOLS), messages // 6_000))
        for number, symbol in enumerate(_SYMBOLS):
            client.subscribe(Subscription(symbol))
            if number < followed:
                client.subscribe(Subscription(symbol, "1"))
        client.connected(START)
        self.commands = client.messages_to_send()
        self._quotes = ""
        self._unloaded: list[_Series] = []
        self._read_commands()
        self._series: list[_Series] = []

    def _read_commands(self) -> None:
        symbols = iter(_SYMBOLS)
        for message in self.commands:
            command = codec.decode_command(framing.split(message)[0])
            if isinstance(command, QuoteAddSymbols):
                self._quotes = command.session
            elif isinstance(command, CreateSeries):
                symbol = next(symbols)
                self._unloaded.append(_Series(command, symbol, round(self._prices[symbol], 2)))

    def traffic(self) -> Iterator[Message]:
        """The messages with the moments of their arrival. To be called once."""
        rng, at = self._rng, START
        next_beat, beats = START + 10.0, 0
        # As a server does, it answers within seconds.
        every = max(1, min(_LOAD_EVERY, self.messages // (len(self._unloaded) + 1)))
        yield at, framing.join([self._hello(at)])
        for number in range(1, self.messages):
            at += rng.expovariate(_RATE)
            if self._unloaded and (number - 1) % every == 0:
                yield at, framing.join(self._first_load(self._unloaded.pop(0), at))
            elif at >= next_beat:
                next_beat += 10.0
                beats += 1
                yield at, framing.packet(f"~h~{beats}")
            else:
                packets = rng.randint(2, 5) if rng.random() < 0.1 else 1
                yield at, framing.join([self._update(at) for _ in range(packets)])

    def _hello(self, at: float) -> str:
        return _json(
            {
                "session_id": "<0.1.0>_bench",
                "timestamp": int(at),
                "timestampMs": int(at * 1000),
                "release": "bench-1",
                "studies_metadata_hash": "0" * 40,
                "auth_scheme_vsn": 2,
                "protocol": "json",
            }
        )

    def _update(self, at: float) -> str:
        # A bar that is over gets its successor before the clock would close it, whatever the dice say.
        minute = int(at) // _MINUTE * _MINUTE
        late = next((series for series in self._series if series.time < minute), None)
        if late is not None:
            return self._bar(late, minute)
        if self._series and self._rng.random() < 0.18:
            return self._bar(self._rng.choice(self._series), minute)
        return self._quote(at)

    def _move(self, symbol: str) -> float:
        self._prices[symbol] *= 1 + self._rng.gauss(0, 0.0004)
        return round(self._prices[symbol], 2)

    def _quote(self, at: float) -> str:
        symbol = self._rng.choice(_SYMBOLS)
        kind = self._rng.random()
        values: dict[str, float]
        price = self._move(symbol)
        if kind < 0.65:
            self._volumes[symbol] += self._rng.randrange(1, 500)
            change = round(price / 100, 2)
            values = {"volume": self._volumes[symbol], "lp_time": int(at), "lp": price, "chp": 1.0, "ch": change}
        elif kind < 0.8:
            self._volumes[symbol] += self._rng.randrange(1, 500)
            values = {"volume": self._volumes[symbol]}
        else:
            size = float(self._rng.randrange(1, 90))
            values = {"bid": round(price - 0.01, 2), "bid_size": size, "ask": round(price + 0.01, 2), "ask_size": size}
        return _json({"m": "qsd", "p": [self._quotes, {"n": symbol, "s": "ok", "v": values}]})

    def _bar(self, series: _Series, minute: int) -> str:
        price = self._move(series.symbol)
        if minute > series.time:
            series.time = minute
            series.index += 1
            series.volume = 0
            series.values = [price] * 4
        first, high, low, _ = series.values
        series.values = [first, max(high, price), min(low, price), price]
        series.volume += self._rng.randrange(1, 300)
        row = {"i": series.index, "v": [float(series.time), *series.values, float(series.volume)]}
        return _json({"m": "du", "p": [series.session, {series.name: _data(series, [row], minute + _MINUTE)}]})

    def _first_load(self, series: _Series, at: float) -> list[str]:
        minute = int(at) // _MINUTE * _MINUTE
        rows = []
        for index in range(_SNAPSHOT_BARS):
            price = self._move(series.symbol)
            bar = [price, round(price * 1.001, 2), round(price * 0.999, 2), price]
            volume = self._rng.randrange(1, 9_000)
            moment = minute - (_SNAPSHOT_BARS - 1 - index) * _MINUTE
            rows.append({"i": index, "v": [float(moment), *bar, float(volume)]})
        series.time, series.values, series.volume = minute, bar, volume
        self._series.append(series)
        stamp = {"t": int(at), "t_ms": int(at * 1000)}
        data = {"node": "bench-node-1", **_data(series, rows, minute + _MINUTE)}
        scale = {"index": 0, "zoffset": 0, "changes": [], "marks": [], "index_diff": []}
        details = {"rt_update_period": 0}
        completed = [series.session, series.name, "streaming", series.turnaround, details]
        return [
            _json({"m": "timescale_update", "p": [series.session, {series.name: data}, scale], **stamp}),
            _json({"m": "series_completed", "p": completed, **stamp}),
        ]


def _data(series: _Series, rows: list[dict[str, object]], close_time: int) -> dict[str, object]:
    return {
        "s": rows,
        "ns": {"d": "", "indexes": "nochange"},
        "t": series.turnaround,
        "lbs": {"bar_close_time": close_time},
    }


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def write_tape(path: Path, corpus: Corpus) -> list[Message]:
    """Writes a tape of `corpus` as a recorder would, and gives back its messages."""
    return list(stream_to_tape(path, corpus))


def stream_to_tape(path: Path, corpus: Corpus) -> Iterator[Message]:
    """The same without keeping the messages: each is handed on once it is written."""
    writer = TapeWriter(path, Header(start=START, url="wss://bench.invalid/"), redactor=redactor())
    with writer:
        writer.opened(1, "wss://bench.invalid/", START)
        for command in corpus.commands:
            writer.sent(1, command, START)
        for at, message in corpus.traffic():
            writer.received(1, message, at)
            yield at, message


def redactor() -> Redactor:
    """What a recorder of an anonymous client redacts with."""
    return Redactor(key=new_key(random.Random(1)))
