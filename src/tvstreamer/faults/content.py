"""Faults of what a message says: lengths, texts, times and bars."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from tvstreamer.errors import FramingError
from tvstreamer.faults import kinds
from tvstreamer.faults.stages import Host, Item, Message, Stage
from tvstreamer.faults.subjects import payloads_of
from tvstreamer.faults.triggers import Trigger
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import (
    BarRow,
    BarValues,
    DataUpdate,
    SeriesData,
    SymbolResolved,
    TimescaleUpdate,
)

if TYPE_CHECKING:
    from random import Random

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""Keeps the values of an object as the text they are, so that what is not changed stays the same to the letter."""
_WHOLE = re.compile(rb"-?[0-9]{1,16}")
_CLOCKS = (("t", "t_ms"), ("timestamp", "timestampMs"))
"""The keys under which packets and the hello have the server's time, in seconds and in milliseconds."""

Update = DataUpdate | TimescaleUpdate
SeriesKey = tuple[str, str]
"""Session and series."""


class Edit(Stage[kinds.wrong_length | kinds.astral | kinds.clock_skew]):
    """Changes what a message says, where there is something to change."""

    def message(self, message: Message) -> list[Item]:
        if not self.trigger.strikes(message.text, message.at):
            return [message]
        text = self._edited(message.text)
        if text == message.text:
            return [message]
        self.trigger.fire(message.at)
        return [message._replace(text=text)]

    def _edited(self, text: str) -> str:
        fault = self.fault
        if isinstance(fault, kinds.wrong_length):
            return with_wrong_length(text, fault.by)
        if isinstance(fault, kinds.astral):
            return edit(text, lambda payload: with_description(payload, fault.text))
        return edit(text, lambda payload: with_other_time(payload, fault.offset))


def with_wrong_length(message: str, by: int) -> str:
    """The message with a first packet whose LEN is off; never below 0."""
    payloads = payloads_of(message)
    if not payloads:
        return message
    first, *rest = payloads
    return f"~m~{max(0, framing.utf16_length(first) + by)}~m~{first}{framing.join(rest)}"


def with_description(payload: str, extra: str) -> str:
    """A `symbol_resolved` with `extra` behind its description; any other payload as it is."""
    reply = codec.decode_reply(payload)
    if not isinstance(reply, SymbolResolved):
        return payload
    old = reply.p.info.get("description")
    info = {**reply.p.info, "description": (old if isinstance(old, str) else "") + extra}
    return codec.encode(msgspec.structs.replace(reply, p=msgspec.structs.replace(reply.p, info=info)))


def with_other_time(payload: str, offset: float) -> str:
    """The payload with its server's time shifted by `offset` seconds; all else stays to the letter."""
    try:
        values: dict[str, object] = {**_decode_object(payload)}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return payload
    changed = {}
    for seconds, milliseconds in _CLOCKS:
        ms, moment = _whole(values.get(milliseconds)), _whole(values.get(seconds))
        if ms is not None:
            ms += round(offset * 1000)
            changed[milliseconds] = ms
        if moment is not None:
            # Both keys tell one moment, so the seconds are those of the milliseconds.
            changed[seconds] = moment + round(offset) if ms is None else ms // 1000
    return msgspec.json.encode(values | changed).decode() if changed else payload


def _whole(raw: object) -> int | None:
    text = bytes(raw) if isinstance(raw, msgspec.Raw) else b""
    return int(text) if _WHOLE.fullmatch(text) else None


# --- bars -----------------------------------------------------------------------------------------------------------


class MissingBar(Stage[kinds.missing_bar]):
    """The bar is the next one that begins after the series has shown another; a series' first delivery stays whole."""

    def __init__(self, fault: kinds.missing_bar, trigger: Trigger, rng: Random, host: Host) -> None:
        super().__init__(fault, trigger, rng, host)
        self._newest: dict[SeriesKey, float] = {}
        self._missing: dict[SeriesKey, float] = {}

    def message(self, message: Message) -> list[Item]:
        strikes = self.trigger.strikes(message.text, message.at)
        text = edit(message.text, lambda payload: self._without(payload, strikes, message.at))
        return [message._replace(text=text)] if text or not message.text else []

    def _without(self, payload: str, strikes: bool, at: float) -> str:
        update = decode_update(payload)
        if update is None:
            return payload
        objects: dict[str, SeriesData] = {}
        for name, data in update.p.objects.items():
            shown = self._shown((update.p.session, name), data.s or [], strikes, at)
            if shown == (data.s or []):
                objects[name] = data
            elif shown:
                # What is known of the end of the newest bar goes with it.
                last = shown[-1] is (data.s or shown)[-1]
                objects[name] = msgspec.structs.replace(data, s=shown, lbs=data.lbs if last else None)
        if objects == update.p.objects:
            return payload
        return codec.encode(with_objects(update, objects)) if objects else ""

    def _shown(self, key: SeriesKey, rows: list[BarRow], strikes: bool, at: float) -> list[BarRow]:
        shown = []
        known = key in self._newest
        for row in rows:
            moment = row.v.time
            newest = self._newest.get(key, moment)
            self._newest[key] = max(newest, moment)
            if moment > newest:
                self._missing.pop(key, None)
                if known and strikes and self.trigger.left:
                    self._missing[key] = moment
                    self.trigger.fire(at, f"{key[1]} {moment:.0f}")
            if self._missing.get(key) != moment:
                shown.append(row)
        return shown


class ReviseBar(Stage[kinds.revise_bar]):
    def __init__(self, fault: kinds.revise_bar, trigger: Trigger, rng: Random, host: Host) -> None:
        super().__init__(fault, trigger, rng, host)
        self._newest: dict[SeriesKey, BarRow] = {}
        self._later: list[Message] = []

    def message(self, message: Message) -> list[Item]:
        strikes = self.trigger.strikes(message.text, message.at)
        revisions: list[Item] = []
        for payload in payloads_of(message.text):
            update = decode_update(payload)
            if update is not None:
                for name, data in update.p.objects.items():
                    for row in self._closed((update.p.session, name), data.s or []):
                        if strikes and self.trigger.left:
                            revisions += self._revise(update.p.session, name, data, row, message.at)
        return [message, *revisions]

    def _closed(self, key: SeriesKey, rows: list[BarRow]) -> list[BarRow]:
        """The bar, if any, of which these rows have shown the successor, as it was shown last."""
        closed = []
        known = key in self._newest
        for row in rows:
            newest = self._newest.get(key, row)
            if row.v.time > newest.v.time and known:
                closed.append(newest)
            if row.v.time >= newest.v.time:
                self._newest[key] = row
        return closed

    def _revise(self, session: str, name: str, shown: SeriesData, row: BarRow, at: float) -> list[Item]:
        """The bar of `row` once more, behind the update that has shown its successor, with what that says of the series."""
        values = changed_close(row.v, self.fault.change)
        self.trigger.fire(at, f"{name} {values.time:.0f}: close {row.v.close:g} becomes {values.close:g}")
        rows = [BarRow(row.i, values)]
        data = SeriesData(s=rows, ns={"d": "", "indexes": "nochange"}, t=shown.t, lbs=shown.lbs)
        text = framing.packet(codec.encode(DataUpdate(DataUpdate.Params(session, {name: data}))))
        revision = Message(text, at + self.fault.delay)
        if not self.fault.delay:
            return [revision]
        self._later.append(revision)
        return []

    def release_at(self) -> float | None:
        return self._later[0].at if self._later else None

    def release(self, now: float) -> list[Item]:
        return [self._later.pop(0)]


def changed_close(values: BarValues, change: float) -> BarValues:
    """The bar with another close, and with a high and a low that hold it."""
    close = values.close * (1 + change)
    if close == values.close:
        close += change
    high, low = max(values.high, close), min(values.low, close)
    return msgspec.structs.replace(values, high=high, low=low, close=close)


def decode_update(payload: str) -> Update | None:
    """The update of bars in a payload; None for any other packet."""
    # To look for the name first spares the decoding of quotes.
    if '"du"' not in payload and '"timescale_update"' not in payload:
        return None
    reply = codec.decode_reply(payload)
    return reply if isinstance(reply, DataUpdate | TimescaleUpdate) else None


def with_objects(update: Update, objects: dict[str, SeriesData]) -> Update:
    """The same update of other series."""
    return msgspec.structs.replace(update, p=msgspec.structs.replace(update.p, objects=objects))


def edit(message: str, change: Callable[[str], str]) -> str:
    """The message with its payloads changed; one that becomes empty goes. What is not well framed stays as it is."""
    try:
        payloads = framing.split(message)
    except FramingError:
        return message
    changed = list(map(change, payloads))
    return message if changed == payloads else framing.join(payload for payload in changed if payload)
