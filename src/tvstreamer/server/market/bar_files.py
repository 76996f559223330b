"""Bars from a CSV or Parquet file: one row a bar, under names that exports use.

The columns are `time` (also `timestamp`, `datetime`, `date`, `open_time`, `unix`, `t`; or `date` and `time` together),
`open`, `high`, `low`, `close` (also their first letters, `last` for the close) and, where there is one, `volume` (`vol`,
`v`); in any case and order, further ones are passed over. With a column `symbol` (or `ticker`, of the form EXCHANGE:TICKER)
a file holds several. Times are seconds, milliseconds, microseconds or nanoseconds since the epoch, or ISO 8601, by UTC
where they have no offset. Rows may be in any order.

A file is somebody else's: whatever is wrong with it is an `InvalidSource` that names the file, the line, the value, and what
was expected.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from tvstreamer.errors import InvalidSource, InvalidSymbol, MissingDependencyError, shorten
from tvstreamer.symbols import parse_symbol

MOST_ROWS: Final = 1_000_000
MOST_BYTES: Final = 512 * 2**20
_MOST_COLUMNS: Final = 1_000

_NAMES: Final = {
    "time": ("time", "timestamp", "datetime", "date", "open_time", "opentime", "unix", "t"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c", "last"),
    "volume": ("volume", "vol", "v"),
    "symbol": ("symbol", "ticker"),
}
_NEEDED: Final = ("time", "open", "high", "low", "close")
_EXPECTED_TIME: Final = "expected a time in whole seconds: a Unix time, or ISO 8601 such as 2025-07-06T20:17:00Z"
_DATE: Final = re.compile(r"(?:19|20)\d{6}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,19}(?:\.\d{0,9})?", re.ASCII)
_SECONDS: Final = re.compile(r"\d{9,10}", re.ASCII)
_UNITS: Final = ((1e17, 10**9), (1e14, 10**6), (1e11, 10**3))
"""From this size on, so many of a time are a second."""
_EARLIEST: Final = -2_208_988_800
_LATEST: Final = 4_102_444_800


class FileBar(NamedTuple):
    """One row. `volume` is None where the file has none there."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None


def read_bars(path: Path, *, most_bytes: int = MOST_BYTES) -> dict[str, list[FileBar]]:
    """The bars of a file by symbol, oldest first; under `""` where it names no symbols. Raises `InvalidSource`.

    Parquet needs pyarrow: raises `MissingDependencyError`.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InvalidSource(f"{path}: expected a file")
        if size > most_bytes:
            raise InvalidSource(f"{path}: {size} bytes; expected no more than {most_bytes}")
        if path.suffix.lower() in (".parquet", ".pq"):
            return sorted_bars(_parquet(path), str(path))
        with path.open(encoding="utf-8-sig", newline="") as file:
            return sorted_bars(_csv(file, path), str(path))
    except OSError as error:
        raise InvalidSource(f"{path}: {error.strerror or error}; expected a file of bars") from error
    except UnicodeDecodeError as error:
        raise InvalidSource(f"{path}: byte {error.start}: expected text in UTF-8") from error


def sorted_bars(
    rows: Iterable[tuple[str, str, FileBar]], name: str, *, most: int = MOST_ROWS
) -> dict[str, list[FileBar]]:
    """Rows of (where it stands, symbol, bar) by symbol and time. Raises `InvalidSource`."""
    found: dict[str, dict[int, FileBar]] = {}
    for number, (where, symbol, bar) in enumerate(rows):
        if number >= most:
            raise InvalidSource(f"{where}: expected no more than {most} rows")
        bars = found.setdefault(symbol, {})
        if bar.time in bars:
            raise InvalidSource(f"{where}: time {bar.time}: expected one that no other row has")
        bars[bar.time] = bar
    if not found:
        raise InvalidSource(f"{name}: expected at least one row of bars")
    return {symbol: [bars[time] for time in sorted(bars)] for symbol, bars in found.items()}


def make_bar(values: Mapping[str, Any], where: str) -> FileBar:
    """Checks one row. Raises `InvalidSource`."""
    time = _time(values["time"], where)
    prices = {name: _price(values[name], name, where) for name in ("open", "high", "low", "close")}
    bar = FileBar(time, **prices, volume=_volume(values.get("volume"), where))
    if bar.high < max(bar.open, bar.low, bar.close):
        raise InvalidSource(f"{where}: high {bar.high!r}: expected at least open, low and close")
    if bar.low > min(bar.open, bar.close):
        raise InvalidSource(f"{where}: low {bar.low!r}: expected at most open and close")
    return bar


def _csv(file: Iterable[str], path: Path) -> Iterator[tuple[str, str, FileBar]]:
    lines = iter(file)
    header = next(lines, "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        columns = _columns(next(csv.reader([header], delimiter=delimiter), []), f"{path}: line 1")
        plain = _plain(columns)
        last = max(place for places in columns.values() for place in places)
        for cells in reader:
            where = f"{path}: line {reader.line_num + 1}"
            if not any(cells):
                continue
            if len(cells) <= last:
                raise InvalidSource(f"{where}: {shorten(delimiter.join(cells))}: expected as many values as the header has names")
            bar = plain(cells) if plain is not None else None
            if bar is not None:
                yield where, "", bar
                continue
            values = {name: "T".join(cells[place].strip() for place in places) for name, places in columns.items()}
            yield where, _symbol(values, where), make_bar(values, where)
    except csv.Error as error:
        raise InvalidSource(f"{path}: line {reader.line_num + 1}: {error}; expected comma-separated values") from error


def _plain(columns: Mapping[str, tuple[int, ...]]) -> Callable[[list[str]], FileBar | None] | None:
    """Reads what most rows look like, quickly: a time in seconds and numbers; None for a row that takes a closer look.

    None if the file has symbols or no volume.
    """
    if "symbol" in columns or "volume" not in columns or len(columns["time"]) > 1:
        return None
    pick = itemgetter(*(columns[name][0] for name in (*_NEEDED, "volume")))

    def read(cells: list[str]) -> FileBar | None:
        written, *others = pick(cells)
        if not _SECONDS.fullmatch(written):
            return None
        try:
            open_, high, low, close, volume = map(float, others)
        except ValueError:
            return None
        # Written so that what is no number, or has no end, or has another spelling, does not pass.
        sound = -math.inf < low <= open_ <= high < math.inf and low <= close <= high and 0 <= volume < math.inf
        return FileBar(int(written), open_, high, low, close, volume) if sound and "_" not in "".join(others) else None

    return read


def _parquet(path: Path) -> Iterator[tuple[str, str, FileBar]]:
    try:
        import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
        import pyarrow.parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise MissingDependencyError("pyarrow", "parquet") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if file.metadata.num_rows > MOST_ROWS:
                raise InvalidSource(f"{path}: {file.metadata.num_rows} rows; expected no more than {MOST_ROWS}")
            names = file.schema_arrow.names
            columns = _columns(names, f"{path}: schema")
            number = 0
            wanted = [names[place] for places in columns.values() for place in places]
            for batch in file.iter_batches(batch_size=10_000, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    where = f"{path}: row {number}"
                    values = {
                        name: row[names[places[0]]] if len(places) == 1 else "T".join(str(row[names[place]]) for place in places)
                        for name, places in columns.items()
                    }
                    yield where, _symbol(values, where), make_bar(values, where)
    except pyarrow.ArrowException as error:
        raise InvalidSource(f"{path}: {shorten(str(error))}; expected a Parquet file of bars") from error


def _columns(header: Sequence[str], where: str) -> dict[str, tuple[int, ...]]:
    """Where each value stands; a date and a time of day make one together."""
    if len(header) > _MOST_COLUMNS:
        raise InvalidSource(f"{where}: {len(header)} columns; expected no more than {_MOST_COLUMNS}")
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        places.setdefault(name.strip().strip("<>").lower(), place)
    columns: dict[str, tuple[int, ...]] = {}
    for column, names in _NAMES.items():
        known = [places[name] for name in names if name in places]
        if known:
            columns[column] = (known[0],)
        elif column in _NEEDED:
            raise InvalidSource(f"{where}: {shorten(list(header))}: expected a column {' or '.join(names)}")
    if "date" in places and "time" in places:
        columns["time"] = (places["date"], places["time"])
    return columns


def _symbol(values: Mapping[str, Any], where: str) -> str:
    if "symbol" not in values:
        return ""
    try:
        return parse_symbol(values["symbol"])
    except InvalidSymbol as error:
        raise InvalidSource(f"{where}: {error}") from error


def _time(value: object, where: str) -> int:
    moment: float | None = None
    if isinstance(value, datetime):
        moment = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        moment = _unix(value)
    elif isinstance(value, str):
        moment = _written(value)
    if moment is None or moment != int(moment) or not _EARLIEST <= moment < _LATEST:
        raise InvalidSource(f"{where}: time {shorten(value)}: {_EXPECTED_TIME}")
    return int(moment)


def _written(text: str) -> float | None:
    if _NUMBER.fullmatch(text) and not _DATE.fullmatch(text):
        return _unix(float(text) if "." in text else int(text))
    day, blank, clock = text.partition("T")
    try:
        # As some write dates: 2025.07.06 and 2025/07/06.
        moment = datetime.fromisoformat(re.sub("[./]", "-", day) + blank + clock)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _unix(value: float) -> float:
    return next((value / unit for size, unit in _UNITS if abs(value) >= size), value)


def _price(value: object, name: str, where: str) -> float:
    number = _number(value)
    if number is None or not math.isfinite(number):
        raise InvalidSource(f"{where}: {name} {shorten(value)}: expected a finite number")
    return number


def _volume(value: object, where: str) -> float | None:
    if value is None or (isinstance(value, str) and value.lower() in ("", "nan", "null", "none")):
        return None
    number = _number(value)
    if number is not None and math.isnan(number):
        return None
    if number is None or not 0 <= number < math.inf:
        raise InvalidSource(f"{where}: volume {shorten(value)}: expected a number of at least 0, or none")
    return number


def _number(value: object) -> float | None:
    try:
        # Numbers of Python have other spellings too, 1_000 among them.
        return None if isinstance(value, bool) or (isinstance(value, str) and "_" in value) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
