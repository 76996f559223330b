"""Files of bars, as exports write them and as they should not be."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.errors import InvalidSource, MissingDependencyError
from tvstreamer.server.market.bar_files import FileBar, make_bar, read_bars, sorted_bars

FIRST = FileBar(1_751_833_020, 10.0, 12.5, 9.0, 11.0, 3.0)
SECOND = FileBar(1_751_833_080, 11.0, 11.0, 11.0, 11.0, 0.0)


def written(tmp_path: Path, text: str | bytes, name: str = "bars.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "time,open,high,low,close,volume\n1751833020,10,12.5,9,11,3\n1751833080,11,11,11,11,0\n",
        # The newest first, a byte order mark, other names, a column more, an empty line, line ends of Windows.
        "\ufeffTimestamp;O;H;L;C;Vol;Trades\r\n1751833080000;11;11;11;11;0;7\r\n\r\n1751833020000;10;12.5;9;11;3;8\r\n",
        "volume,close,low,high,open,datetime\n3,11,9,12.5,10,2025-07-06T20:17:00Z\n0,11,11,11,11,2025-07-06 20:18:00\n",
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<VOL>\n2025.07.06\t20:17\t10\t12.5\t9\t11\t3\n"
        "20250706\t201800\t11\t11\t11\t11\t0\n",
        '"time","open","high","low","close","volume"\n"1751833020000000","10","12.5","9","11","3"\n1751833080.0,1.1e1,11,11,11,0\n',
        "t,o,h,l,c,v\n2025-07-06T22:17:00+02:00,10,12.5,9,11,3\n1751833080000000000,11,11,11,11,0\n",
    ],
)
def test_what_exports_look_like(tmp_path: Path, text: str) -> None:
    assert read_bars(written(tmp_path, text)) == {"": [FIRST, SECOND]}


def test_a_file_of_several_symbols(tmp_path: Path) -> None:
    text = "symbol,date,open,high,low,close\nnasdaq:aapl,20250706,1,2,1,2\nNYSE:IBM,2025/07/06,3,3,3,3\n"
    midnight = 1_751_760_000
    assert read_bars(written(tmp_path, text)) == {
        "NASDAQ:AAPL": [FileBar(midnight, 1.0, 2.0, 1.0, 2.0, None)],
        "NYSE:IBM": [FileBar(midnight, 3.0, 3.0, 3.0, 3.0, None)],
    }


@pytest.mark.parametrize("empty", ["", "NaN", "null"])
def test_a_volume_may_be_missing(tmp_path: Path, empty: str) -> None:
    text = f"time,open,high,low,close,Volume\n1751833020,10,12.5,9,11,{empty}\n"
    assert read_bars(written(tmp_path, text))[""][0].volume is None


HEADER = "time,open,high,low,close,volume\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: .*expected a column time or timestamp"),
        ("time,open,high,low\n", "expected a column close or c"),
        (HEADER, "expected at least one row"),
        (HEADER + "1751833020,10,12\n", "line 2: '1751833020,10,12': expected as many values"),
        (HEADER + "1751833020,10,12,9,eleven,3\n", "line 2: close 'eleven': expected a finite number"),
        (HEADER + "1751833020,10,inf,9,11,3\n", "line 2: high 'inf': expected a finite number"),
        (HEADER + "1751833020,10,1_2,9,11,3\n", "line 2: high '1_2': expected a finite number"),
        (HEADER + "1751833020,10,10.5,9,11,3\n", "line 2: high 10.5: expected at least open, low and close"),
        (HEADER + "1751833020,10,12,10.5,11,3\n", "line 2: low 10.5: expected at most open and close"),
        (HEADER + "1751833020,10,12,9,11,-3\n", "line 2: volume '-3': expected a number of at least 0"),
        (HEADER + "1751833020,10,12,9,11,many\n", "line 2: volume 'many': expected a number"),
        (HEADER + "yesterday,10,12,9,11,3\n", "line 2: time 'yesterday': expected a time in whole seconds"),
        (HEADER + "1751833020.5,10,12,9,11,3\n", "line 2: time '1751833020.5': expected a time in whole seconds"),
        (HEADER + "9999-12-31,10,12,9,11,3\n", "line 2: time '9999-12-31': expected a time"),
        (HEADER + "1751833020,10,12,9,11,3\n1751833020,10,12,9,11,3\n", "line 3: time 1751833020: expected one that no other row has"),
        (HEADER + '1751833020,10,12,9,11,"3\n', "line .: unexpected end of data; expected comma-separated values"),
        ("symbol," + HEADER + "AAPL,1751833020,10,12,9,11,3\n", "line 2: symbol 'AAPL': expected EXCHANGE:TICKER"),
        (b"\xff\xfe\x00", "byte 0: expected text in UTF-8"),
        (",".join("abc" for _ in range(1_500)) + "\n", "1500 columns; expected no more than 1000"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(InvalidSource, match=problem) as caught:
        read_bars(written(tmp_path, text))
    assert "bars.csv" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_files_that_are_none_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(InvalidSource, match="No such file"):
        read_bars(tmp_path / "absent.csv")
    with pytest.raises(InvalidSource, match="expected a file"):
        read_bars(tmp_path)
    path = written(tmp_path, HEADER)
    with pytest.raises(InvalidSource, match="expected no more than 5"):
        read_bars(path, most_bytes=5)


def test_more_rows_than_anybody_needs() -> None:
    with pytest.raises(InvalidSource, match="row 2: expected no more than 2 rows"):
        sorted_bars(((f"row {time}", "", FIRST._replace(time=time)) for time in range(5)), "rows", most=2)


@pytest.mark.parametrize("time", [True, None, float("nan"), [], "\u0661\u0662"])
def test_a_time_of_another_kind_is_refused(time: Any) -> None:
    with pytest.raises(InvalidSource, match="expected a time"):
        make_bar({"time": time, "open": 1, "high": 1, "low": 1, "close": 1}, "row 1")


def test_times_of_python() -> None:
    values = {"open": 1, "high": 1, "low": 1, "close": 1, "volume": float("nan")}
    moment = datetime(2025, 7, 6, 20, 17, tzinfo=UTC)
    for time in (moment, moment.replace(tzinfo=None)):
        assert make_bar({"time": time, **values}, "row 1").time == FIRST.time
    assert make_bar({"time": date(2025, 7, 6), **values}, "row 1").time == 1_751_760_000
    with pytest.raises(InvalidSource, match="open True: expected a finite number"):
        make_bar({"time": 1, **values, "open": True}, "row 1")


def test_parquet_without_pyarrow_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"tvstreamer\[parquet\]"):
        read_bars(written(tmp_path, b"PAR1", "bars.parquet"))


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "bars.parquet"

    def write(times: list[Any], **more: list[Any]) -> None:
        columns = {"Date": times, "Open": [10.0, 11], "High": [12.5, 11], "Low": [9.0, 11], "Close": [11.0, 11], "volume": [3, 0]}
        parquet.write_table(pyarrow.table(columns | more), path)

    for times in (
        [FIRST.time, SECOND.time],
        [datetime.fromtimestamp(FIRST.time, UTC), datetime.fromtimestamp(SECOND.time, UTC)],
        ["2025-07-06T20:17", "2025-07-06T20:18"],
    ):
        write(times)
        assert read_bars(path) == {"": [FIRST, SECOND]}
    write([1, 2], Low=[9.0, 12.0])
    with pytest.raises(InvalidSource, match=r"bars.parquet: row 2: high 11.0: expected"):
        read_bars(path)
    write(["2025-07-06", "2025-07-06"], time=["20:17", "20:18"])
    assert read_bars(path) == {"": [FIRST, SECOND]}
    path.write_bytes(b"PAR1 nothing of the kind PAR1")
    with pytest.raises(InvalidSource, match="expected a Parquet file of bars"):
        read_bars(path)
