"""Reading tapes, whole ones and damaged ones: what is whole is read, what is not is reported."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tvstreamer.constants import MAX_LINE
from tvstreamer.errors import MissingDependencyError, TapeFormatError, TapeVersionError
from tvstreamer.protocol.packets import Heartbeat, QuoteData, TickData, Unknown
from tvstreamer.tape.compression import packer
from tvstreamer.tape.format import Decoded, Record
from tvstreamer.tape.reader import TapeReader, scan_heads, scan_sends

HEADER = b'{"tape":1,"start":1700000000.0,"tool":"by hand"}\n'


def recv(t: int, number: int = 1) -> bytes:
    return b'{"t":%d,"c":1,"k":"recv","p":["~h~%d"]}\n' % (t, number)


def footer(before: bytes, records: int) -> bytes:
    return json.dumps({"k": "end", "records": records, "sha256": hashlib.sha256(before).hexdigest()}).encode() + b"\n"


def read(data: bytes) -> TapeReader:
    return TapeReader(io.BytesIO(data))


def everything(reader: TapeReader, *, packets: bool = False) -> tuple[list[int], list[str]]:
    """The times of all records, and all errors on the way."""
    times: list[int] = []
    errors: list[str] = []
    while True:
        try:
            for record in reader.packets() if packets else reader:
                times.append(record.t)
            return times, errors
        except TapeFormatError as error:
            errors.append(str(error))


class Streamed(io.RawIOBase):
    """A binary file made while it is read, so that a huge one costs no disk."""

    def __init__(self, *parts: Iterator[bytes] | list[bytes]) -> None:
        self._chunks = (chunk for part in parts for chunk in part)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest += chunk
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


def filler(size: int) -> Iterator[bytes]:
    block = b"x" * 65_536
    return (block for _ in range(size // len(block) + 1))


def test_the_header_then_the_records_in_order() -> None:
    reader = read(HEADER + recv(1) + recv(2))
    assert (reader.header.start, reader.header.tool, reader.header.times) == (1_700_000_000.0, "by hand", "measured")
    assert [record.t for record in reader] == [1, 2]
    assert (reader.records, reader.torn, reader.complete) == (2, 0, False)


def test_a_footer_vouches_for_what_is_before_it() -> None:
    body = HEADER + recv(1) + recv(2)
    reader = read(body + footer(body, 2))
    assert everything(reader) == ([1, 2], [])
    assert reader.complete


def test_next_gives_one_record_at_a_time() -> None:
    reader = read(HEADER + recv(1) + recv(2))
    assert next(reader).t == 1
    assert next(reader).t == 2
    with pytest.raises(StopIteration):
        next(reader)


def test_iteration_goes_on_where_it_was_left() -> None:
    reader = read(HEADER + recv(1) + recv(2) + recv(3))
    assert next(iter(reader)).t == 1
    assert [record.t for record in reader] == [2, 3]


def test_a_wrong_number_in_the_footer_is_an_error_after_the_records() -> None:
    body = HEADER + recv(1) + recv(2)
    reader = read(body + footer(body, 3))
    times, errors = everything(reader)
    assert times == [1, 2]
    assert errors == ["tape:4: the footer counts 3 records, the tape holds 2"]
    assert not reader.complete


def test_a_changed_byte_is_told_by_the_footer_after_the_records() -> None:
    body = HEADER + recv(1) + recv(2)
    reader = read(body.replace(b"~h~1", b"~h~9") + footer(body, 2))
    times, errors = everything(reader)
    assert times == [1, 2]
    assert len(errors) == 1
    assert "is not that of the lines before it" in errors[0]
    assert not reader.complete


def test_a_footer_does_not_vouch_for_records_behind_it() -> None:
    body = HEADER + recv(1)
    reader = read(body + footer(body, 1) + recv(2))
    assert everything(reader) == ([1, 2], [])
    assert not reader.complete


def test_a_torn_last_line_is_dropped_and_reported() -> None:
    reader = read(HEADER + recv(1) + recv(2)[:-5])
    assert everything(reader) == ([1], [])
    assert reader.torn == len(recv(2)) - 5
    assert not reader.complete


def test_a_last_record_that_only_lacks_its_newline_is_read() -> None:
    reader = read(HEADER + recv(1) + recv(2)[:-1])
    assert everything(reader) == ([1, 2], [])
    assert reader.torn == 0


def test_a_header_alone_is_a_tape_without_records() -> None:
    for data in (HEADER, HEADER[:-1]):
        assert everything(read(data)) == ([], [])


@pytest.mark.parametrize("broken", [b"\n", b"nonsense\n", b"[]\n", b'{"t":1}\n', b'{"t":"x","c":1,"k":"recv","raw":""}\n', b'{"t":1,"c":1,"k":"other"}\n', b'{"t":-1,"c":1,"k":"recv","raw":""}\n', b"\xff\n", b'{"t":1,"c":1,"k":"recv","p":[{"m":"\xff"}]}\n', b'{"t":1,"c":1,"k":"recv","p":[{"m":"qsd","p":["q",{"n":"A:B","v":{"ch":"\xff"}}]}]}\n', b'{"k":"end"}\n', b"[" * 5000 + b"\n"])
def test_a_broken_line_is_an_error_with_its_number_and_reading_goes_on_behind_it(broken: bytes) -> None:
    assert everything(read(HEADER + recv(1) + broken + recv(2)), packets=True)[0] == [1, 2]
    reader = read(HEADER + recv(1) + broken + recv(2))
    times, errors = everything(reader)
    assert times == [1, 2]
    assert len(errors) == 1
    assert errors[0].startswith("tape:3: not a record")


def test_several_broken_lines_are_each_an_error() -> None:
    times, errors = everything(read(HEADER + b"a\n" + recv(1) + b"b\n" + b"c\n" + recv(2)[:-1]))
    assert times == [1, 2]
    assert [error.split(":")[1] for error in errors] == ["2", "4", "5"]


def test_two_records_on_one_line_are_no_record() -> None:
    times, errors = everything(read(HEADER + recv(1)[:-1] + b" " + recv(2) + recv(3)))
    assert times == [3]
    assert len(errors) == 1


def test_lines_end_at_newlines_and_nothing_else() -> None:
    text = "a\u2028b\x85c\x0bd"
    line = json.dumps({"t": 1, "c": 1, "k": "recv", "raw": text}, ensure_ascii=False).encode() + b"\n"
    assert [record.raw for record in read(HEADER + line)] == [text]


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        (b'{"t":1,"c":1,"k":"recv","raw":"\\ud800"}\n', "raw", "\ud800"),
        (b'{"t":1,"c":1,"k":"close","code":1000,"reason":"\\udfff","by":"server"}\n', "reason", "\udfff"),
        (b'{"t":1,"c":1,"k":"note","note":{"a":["\\ud800"]}}\n', "note", {"a": ["\ud800"]}),
    ],
)
def test_records_with_lone_surrogates_are_read(line: bytes, field: str, expected: object) -> None:
    (record,) = read(HEADER + line)
    assert getattr(record, field) == expected


def test_a_tape_longer_than_a_chunk_is_read_whole() -> None:
    body = HEADER + b"".join(recv(number) for number in range(5_000))
    reader = read(body + footer(body, 5_000))
    assert everything(reader) == (list(range(5_000)), [])
    assert reader.complete


@pytest.mark.parametrize("behind", [[recv(2), recv(3)], []])
def test_a_line_that_is_too_long_is_an_error_and_reading_goes_on_behind_it(behind: list[bytes]) -> None:
    file = Streamed([HEADER, recv(1), b'{"t":1,"raw":"'], filler(MAX_LINE), [b'"}\n'], behind, [b"torn"])
    reader = TapeReader(file)  # type: ignore[arg-type]
    times, errors = everything(reader)
    assert times == [1, *(range(2, 2 + len(behind)))]
    assert errors == [f"tape:3: a line of more than {MAX_LINE} bytes"]
    assert reader.torn == 4


def test_a_last_line_that_is_too_long_is_an_error() -> None:
    reader = TapeReader(Streamed([HEADER, recv(1)], filler(MAX_LINE)))  # type: ignore[arg-type]
    assert everything(reader) == ([1], [f"tape:3: a line of more than {MAX_LINE} bytes"])


def test_an_endless_first_line_is_no_tape() -> None:
    with pytest.raises(TapeFormatError, match="the first line has more than"):
        TapeReader(Streamed(filler(MAX_LINE)))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"hello\n", b"\x1f\x8b\x08binary", b"[1]\n", b'{"version":1}\n', b"\n"])
def test_what_is_not_a_tape_is_refused(data: bytes) -> None:
    with pytest.raises(TapeFormatError, match="tape:1: not a tape"):
        read(data)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(TapeFormatError, match="the file is empty"):
        read(b"")


def test_a_header_without_a_start_is_refused() -> None:
    with pytest.raises(TapeFormatError, match=r"broken header: .*start"):
        read(b'{"tape":1}\n')


def test_a_newer_tape_is_refused_whatever_else_is_in_its_header() -> None:
    with pytest.raises(TapeVersionError, match=r"tape .*version.*: this release reads up to 1; a newer tvstreamer wrote it"):
        read(b'{"tape":2,"begin":"elsewhere"}\n')


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TapeFormatError, match=r"nowhere\.jsonl: cannot be read: No such file"):
        TapeReader(tmp_path / "nowhere.jsonl")


def test_reading_to_the_end_or_leaving_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(HEADER + recv(1))
    whole = TapeReader(path)
    assert repr(whole) == f"<TapeReader {str(path)!r}, 0 records so far>"
    list(whole)
    assert whole._file.closed
    with TapeReader(str(path)) as left:
        pass
    assert left._file.closed


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(HEADER + recv(7))))
    reader = TapeReader("-")
    assert reader.name == "standard input"
    assert [record.t for record in reader] == [7]


def test_what_was_sent_is_found_without_reading_the_rest() -> None:
    sent = [
        b'{"t":1,"c":1,"k":"send","p":[{"m":"set_locale","p":["en","US"]}]}\n',
        b'{"t":2,"c":1,"k":"send","p":["~h~1"]}\n',
        b'{"t":3,"c":1,"k":"send","raw":"odd"}\n',
        b'{"t":4,"c":1,"k":"send","p":[broken]}\n',
        b'{"t":4,"c":1,"k":"send","p":[{"m":"\xff","p":[]}]}\n',
        b'{"t":5,"c":1,"k":"recv","raw":"\\"k\\":\\"send\\" "}\n',
        b'{"t":6,"c":2,"k":"send","p":[{"m":"set_locale","p":["en","US"]}]}\n',
        b'{"t":7,"c":2,"k":"send","p":["~h~2","~h~3"]}\n',
        b'{"t":8,"c":2,"k":"send","p":["~h~4",{"m":"set_locale","p":["en","US"]}]}\n',
    ]
    # As another writer may put it.
    sent.append(b'{"k": "send", "p": ["~h~5"], "t": 9, "c": 2}\n')
    sent.append(b'{"p": [{"m": "set_locale", "p": ["%s", "US"]}], "t": 10, "c": 2, "k": "send"}\n' % (b"x" * 100))
    assert scan_sends(io.BytesIO(HEADER + recv(1))) == []
    found: list[Record] = scan_sends(io.BytesIO(HEADER + b"".join(sent)))
    assert [(record.t, record.c) for record in found] == [(1, 1), (6, 2), (8, 2), (10, 2)]


def test_heads_tell_of_every_record_up_to_the_first_line_that_is_none() -> None:
    lines = [
        b'{"t":1,"c":1,"k":"open","url":"u"}\n',
        b'{"t":2,"c":1,"k":"note","note":{"a":1}}\n',
        b'{"t":3,"c":2,"k":"recv","raw":"a lone \\ud800"}\n',
        recv(4),
    ]
    heads = list(scan_heads(io.BytesIO(HEADER + b"".join(lines) + footer(b"", 4))))
    assert [(head.t, head.c, head.k, head.url, head.note) for head in heads] == [
        (1, 1, "open", "u", None), (2, 1, "note", "", {"a": 1}), (3, 2, "recv", "", None), (4, 1, "recv", "", None),
    ]  # fmt: skip
    whole = list(scan_heads(io.BytesIO(HEADER + recv(1) + footer(b"", 1))))
    assert [head.t for head in whole] == [1]
    torn = list(scan_heads(io.BytesIO(HEADER + lines[2] + footer(b"", 1) + recv(1) + b'{"t":2,"c')))
    assert [head.t for head in torn] == [3, 1]
    broken = list(scan_heads(io.BytesIO(HEADER + recv(1) + b"broken\n" + recv(2))))
    assert [head.t for head in broken] == [1]


def test_packets_are_what_the_payloads_decode_to_known_or_not() -> None:
    quote = b'{"m":"qsd","p":["qs_1",{"n":"A:B","s":"ok","v":{"lp":1.5}}]}'
    lines = [
        b'{"t":1,"c":1,"k":"open","url":"u"}\n',
        b'{"t":2,"c":1,"k":"send","p":[{"m":"set_locale","p":["en","US"]}]}\n',
        b'{"t":3,"c":1,"k":"recv","p":[' + quote + b',"~h~7"]}\n',
        b'{"t":4,"c":1,"k":"recv","raw":"x"}\n',
    ]
    known = list(read(HEADER + b"".join(lines)).packets())
    assert [record.t for record in known] == [1, 2, 3, 4]
    assert known[2].p is not None
    assert isinstance(known[2].p[0], TickData)
    assert known[2].p[1] == "~h~7"
    odd = b'{"t":5,"c":1,"k":"recv","p":[{"m":"never_heard_of"},"~h~8"]}\n'
    mixed = list(read(HEADER + b"".join(lines) + odd).packets())
    assert mixed[4].p == [Unknown("never_heard_of", '{"m":"never_heard_of"}'), Heartbeat("~h~8")]
    assert mixed[:4] == known


def quote_session(t: int, session: str) -> bytes:
    return b'{"t":%d,"c":1,"k":"send","p":[{"m":"quote_create_session","p":["%s"]}]}\n' % (t, session.encode())


def quotes_of(packets: Iterable[Decoded]) -> list[type]:
    return [type(record.p[0]) for record in packets if record.k == "recv" and record.p is not None]


QUOTE = b'{"t":1,"c":1,"k":"recv","p":[{"m":"qsd","p":["qs_1",{"n":"A:B","s":"ok","v":{"lp":1.5}}]}]}\n'


@pytest.mark.parametrize("session", ["qs_quotes_x", "qs_full_x", "qs_snapshot_x"])
@pytest.mark.parametrize("parts", [lambda data: [data], bytes.splitlines], ids=["at once", "line by line"])
def test_quotes_are_read_as_far_as_ticks_need_them_until_a_session_wants_more(session: str, parts: Callable[[bytes], list[bytes]]) -> None:
    before = quote_session(0, "qs_ticks_x") + QUOTE + quote_session(1, "qs_multiplexer_full_x") + QUOTE
    data = HEADER + before + quote_session(2, session) + QUOTE * 2
    lines = [part.rstrip(b"\n") + b"\n" for part in parts(data)]
    reader = TapeReader(Streamed(lines))  # type: ignore[arg-type]
    assert quotes_of(reader.packets()) == [TickData, TickData, QuoteData, QuoteData]


def test_a_quote_in_which_a_tick_has_an_odd_type_is_read_as_a_whole_one() -> None:
    odd = QUOTE.replace(b"1.5", b'"1.5"')
    assert quotes_of(read(HEADER + QUOTE + odd + QUOTE).packets()) == [TickData, QuoteData, TickData]


def test_quotes_behind_records_that_nobody_looked_at_are_read_as_whole_ones() -> None:
    reader = read(HEADER + quote_session(0, "qs_full_x") + QUOTE + b"broken\n" + QUOTE)
    with pytest.raises(TapeFormatError):
        list(reader)
    assert quotes_of(reader.packets()) == [QuoteData]


def test_packets_go_on_where_records_were_left_and_behind_a_broken_line() -> None:
    reader = read(HEADER + recv(1) + recv(2) + b"broken\n" + recv(3))
    assert next(reader).t == 1
    packets = reader.packets()
    assert next(packets).t == 2
    with pytest.raises(TapeFormatError):
        next(packets)
    assert [record.t for record in reader.packets()] == [3]


def test_many_broken_lines_are_reported_one_by_one_and_cost_no_more_than_once() -> None:
    lines = 20_000
    times, errors = everything(read(HEADER + b"x\n" * lines + recv(1)))
    assert (times, len(errors)) == ([1], lines)
    assert errors[-1].startswith(f":{lines + 1}") or f":{lines + 1}:" in errors[-1]


# --- parts ------------------------------------------------------------------------------------------------------------


def part(number: int, times: list[int], *, previous: str = "", following: int | None = None, cut: bool = False, **keys: object) -> bytes:
    """A part of a recording."""
    header = {"tape": 1, "start": 1700000000.0, "part": number, **({"previous": previous} if previous else {}), **keys}
    body = json.dumps(header).encode() + b"\n" + b"".join(recv(t) for t in times)
    end: dict[str, object] = {"k": "end", "records": len(times), "sha256": digest(body)}
    if following is not None:
        end["next"] = following
    return body if cut else body + json.dumps(end).encode() + b"\n"


def digest(body: bytes) -> str:
    """What the part behind this one calls its previous one's digest."""
    return hashlib.sha256(b"".join(line for line in body.splitlines(keepends=True) if b'"k": "end"' not in line)).hexdigest()


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """A recording in three parts."""
    first = part(1, [1, 2], following=2)
    second = part(2, [3], previous=digest(first), following=3)
    third = part(3, [4, 5], previous=digest(second))
    paths = [tmp_path / name for name in ("s.jsonl", "s.0002.jsonl", "s.0003.jsonl")]
    for path, data in zip(paths, (first, second, third), strict=True):
        path.write_bytes(data)
    return paths


def test_the_parts_of_a_recording_read_as_one_tape(three: list[Path]) -> None:
    reader = TapeReader(three[0])
    assert everything(reader) == ([1, 2, 3, 4, 5], [])
    assert (reader.records, reader.complete, reader.torn) == (5, True, 0)
    assert reader.header.part == 1
    assert reader._file.closed
    assert [record.t for record in TapeReader(three[0]).packets()] == [1, 2, 3, 4, 5]


def test_a_part_can_be_read_from_and_goes_on_from_there(three: list[Path]) -> None:
    reader = TapeReader(three[1])
    assert everything(reader) == ([3, 4, 5], [])
    assert reader.complete


def test_a_part_that_is_missing_is_an_error_and_not_the_end(three: list[Path]) -> None:
    three[1].unlink()
    reader = TapeReader(three[0])
    times, errors = everything(reader)
    assert times == [1, 2]
    assert errors == [f"{three[0]}: the recording goes on in part 2, which is missing: expected it at {three[1]}"]
    assert not reader.complete


def test_a_part_without_a_path_cannot_find_the_next_one(three: list[Path]) -> None:
    times, errors = everything(read(three[0].read_bytes()))
    assert times == [1, 2]
    assert errors == ["tape: the recording goes on in part 2, which is missing: expected its path, to find it"]
    last = read(three[2].read_bytes())
    assert everything(last) == ([4, 5], [])
    assert last.complete


def test_a_part_of_another_recording_is_no_continuation(three: list[Path]) -> None:
    for other in (part(2, [9], previous="0" * 64), part(3, [9], previous=digest(three[0].read_bytes())), part(2, [9], previous=digest(three[0].read_bytes()), start=1.0)):
        three[1].write_bytes(other)
        reader = TapeReader(three[0])
        times, errors = everything(reader)
        assert times == [1, 2]
        assert errors == [f"{three[1]}:1: this is not what follows {three[0]}, or records between them are lost"]
        assert reader._file.closed


def test_a_part_that_is_no_tape_is_an_error(three: list[Path]) -> None:
    three[1].write_bytes(b"nonsense\n")
    times, errors = everything(TapeReader(three[0]))
    assert times == [1, 2]
    assert len(errors) == 1
    assert errors[0].startswith(f"{three[1]}:1: not a tape")


def test_errors_name_the_part_and_the_line_in_it(three: list[Path]) -> None:
    data = three[1].read_bytes()
    three[1].write_bytes(data.replace(recv(3), recv(3) + b"broken\n"))
    times, errors = everything(TapeReader(three[0]))
    assert times == [1, 2, 3, 4, 5]
    assert errors[0].startswith(f"{three[1]}:3: not a record")
    assert "is not that of the lines before it" in errors[1]


def test_a_recorder_killed_before_the_next_part_leaves_the_end_of_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(part(1, [1, 2], cut=True) + b'{"t":3')
    reader = TapeReader(path)
    assert everything(reader) == ([1, 2], [])
    assert (reader.torn, reader.complete) == (6, False)


def test_a_recorder_killed_between_two_parts_loses_nothing(tmp_path: Path) -> None:
    first = part(1, [1, 2], cut=True)
    (tmp_path / "s.jsonl").write_bytes(first)
    (tmp_path / "s.0002.jsonl").write_bytes(part(2, [3], previous=digest(first), cut=True))
    assert everything(TapeReader(tmp_path / "s.jsonl")) == ([1, 2, 3], [])
    assert everything(read(first)) == ([1, 2], [])


@pytest.mark.parametrize("begun", [b"", b'{"tape":1,"sta'])
def test_a_recorder_killed_while_it_began_a_part_loses_nothing(tmp_path: Path, begun: bytes) -> None:
    (tmp_path / "s.jsonl").write_bytes(part(1, [1, 2], cut=True))
    (tmp_path / "s.0002.jsonl").write_bytes(begun)
    assert everything(TapeReader(tmp_path / "s.jsonl")) == ([1, 2], [])
    (tmp_path / "s.jsonl").write_bytes(part(1, [1, 2], following=2))
    assert len(everything(TapeReader(tmp_path / "s.jsonl"))[1]) == 1


def test_records_that_a_disk_lost_between_two_parts_are_missed(tmp_path: Path) -> None:
    first = part(1, [1, 2], cut=True)
    (tmp_path / "s.jsonl").write_bytes(first.replace(recv(2), b""))
    (tmp_path / "s.0002.jsonl").write_bytes(part(2, [3], previous=digest(first)))
    times, errors = everything(TapeReader(tmp_path / "s.jsonl"))
    assert times == [1]
    assert len(errors) == 1
    assert "or records between them are lost" in errors[0]


def test_a_file_of_the_next_name_is_left_alone_by_a_tape_that_has_no_parts(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_bytes(HEADER + recv(1))
    (tmp_path / "s.0002.jsonl").write_bytes(part(2, [3]))
    assert everything(TapeReader(tmp_path / "s.jsonl")) == ([1], [])


def test_what_was_sent_is_found_in_all_parts(three: list[Path]) -> None:
    def sent(t: int) -> bytes:
        return b'{"t":%d,"c":1,"k":"send","p":[{"m":"set_locale","p":["en","US"]}]}\n' % t

    for path, t in zip(three, (1, 3, 5), strict=True):
        path.write_bytes(path.read_bytes().replace(recv(t), sent(t)))
    assert [record.t for record in scan_sends(three[0])] == [1, 3, 5]
    three[2].unlink()
    assert [record.t for record in scan_sends(three[0])] == [1, 3]


def test_heads_are_those_of_the_records_of_all_parts(three: list[Path]) -> None:
    assert [head.t for head in scan_heads(three[0])] == everything(TapeReader(three[0]))[0]


def test_what_was_sent_is_found_up_to_where_a_recorder_was_killed(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_bytes(part(1, [1], cut=True))
    assert scan_sends(tmp_path / "s.jsonl") == []


# --- compression ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["gz", "zst"])
def pack(request: pytest.FixtureRequest) -> Callable[[bytes], bytes]:
    return packer(request.param)


def test_a_compressed_tape_is_known_by_its_bytes_whatever_its_name(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    body = HEADER + recv(1) + recv(2)
    path = tmp_path / "plain.jsonl"
    path.write_bytes(pack(HEADER + recv(1)) + pack(recv(2)) + pack(footer(body, 2)))
    reader = TapeReader(path)
    assert everything(reader) == ([1, 2], [])
    assert (reader.complete, reader.torn) == (True, 0)
    assert reader._file.closed


def test_frames_may_be_cut_anywhere_in_lines(pack: Callable[[bytes], bytes]) -> None:
    body = HEADER + recv(1) + recv(2)
    reader = read(b"".join(pack(bytes([byte])) for byte in body + footer(body, 2)))
    assert everything(reader) == ([1, 2], [])
    assert reader.complete


def test_a_torn_last_frame_is_reported_and_all_before_it_is_read(pack: Callable[[bytes], bytes]) -> None:
    last = pack(recv(3))
    reader = read(pack(HEADER + recv(1)) + pack(recv(2)) + last[:-10])
    times, errors = everything(reader)
    assert (times[:2], errors) == ([1, 2], [])
    assert (reader.torn, reader.complete) == (len(last) - 10, False)


def test_a_broken_frame_is_an_error_after_the_records_before_it(pack: Callable[[bytes], bytes]) -> None:
    times, errors = everything(read(pack(HEADER + recv(1)) + pack(recv(2)) + b"no frame"))
    assert times == [1, 2]
    assert len(errors) == 1
    assert errors[0].startswith("tape: broken compression")


def test_a_line_that_unpacks_beyond_the_limit_is_an_error(pack: Callable[[bytes], bytes]) -> None:
    huge = b'{"t":1,"raw":"' + bytes(MAX_LINE)
    times, errors = everything(read(pack(HEADER + recv(1)) + pack(huge) + pack(b'"}\n' + recv(2))))
    assert (times, errors) == ([1, 2], [f"tape:3: a line of more than {MAX_LINE} bytes"])


def test_what_was_sent_is_found_in_a_compressed_tape(pack: Callable[[bytes], bytes]) -> None:
    sent = b'{"t":6,"c":2,"k":"send","p":[{"m":"set_locale","p":["en","US"]}]}\n'
    assert [record.t for record in scan_sends(io.BytesIO(pack(HEADER) + pack(recv(1) + sent)))] == [6]


def test_a_tape_that_cannot_be_unpacked_here_closes_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.jsonl.zst"
    path.write_bytes(packer("zst")(HEADER))
    monkeypatch.setitem(sys.modules, "backports.zstd" if sys.version_info < (3, 14) else "compression.zstd", None)
    with path.open("rb") as file:
        with pytest.raises(MissingDependencyError):
            TapeReader(file)
        assert file.closed
