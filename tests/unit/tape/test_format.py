"""The lines of a tape: every message comes back to the letter, embedded where it can be."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tvstreamer.constants import MAX_NESTING
from tvstreamer.errors import FramingError
from tvstreamer.protocol import framing
from tvstreamer.protocol.packets import SetLocale, Unknown
from tvstreamer.tape.format import (
    Header,
    Record,
    encode_line,
    encode_message,
    encode_messages,
    moment,
    offset,
    payload_text,
)

QUOTE = '{"m":"qsd","p":["qs_1",{"n":"DEMO:COIN","s":"ok","v":{"lp":1.50}}]}'


def written(text: str) -> dict[str, Any]:
    """The line of a message, read by the standard library."""
    line = encode_message(5, 2, "recv", text)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    value: dict[str, Any] = json.loads(line)
    assert (value["t"], value["c"], value["k"]) == (5, 2, "recv")
    return value


def embedded(*payloads: str) -> bool:
    """Whether the line of a message has these payloads as they are, and not the message in `raw`."""
    line = encode_message(0, 1, "recv", framing.join(payloads))
    if b'"raw":' in line:
        return False
    assert line == f'{{"t":0,"c":1,"k":"recv","p":[{",".join(payloads)}]}}\n'.encode()
    return True


def test_payloads_stand_in_a_line_as_the_json_that_they_are() -> None:
    line = encode_message(1234567, 1, "recv", framing.join([QUOTE, "~h~7"]))
    assert line == f'{{"t":1234567,"c":1,"k":"recv","p":[{QUOTE},"~h~7"]}}\n'.encode()


def test_a_single_short_packet_gives_the_same_line_as_it_would_among_others() -> None:
    assert encode_message(0, 1, "send", framing.packet(QUOTE)) == f'{{"t":0,"c":1,"k":"send","p":[{QUOTE}]}}\n'.encode()


def test_an_empty_message_is_a_message_without_payloads() -> None:
    assert written("")["p"] == []
    assert Record(0, 1, "recv", p=[]).text() == ""


@pytest.mark.parametrize("payload", ['{"a":"\N{ROCKET}\u2028\x7f"}', '{\r\t "a" : 1e+100}', "{}", '{"a":' + "[" * 99 + "]" * 99 + "}"])
def test_valid_json_objects_are_embedded_whatever_is_in_them(payload: str) -> None:
    assert embedded(payload)


@pytest.mark.parametrize(
    "payload",
    [
        "[1]", "", "x", '"~h~1"', '{"a":1} ', '{"a":\n1}', '{"a":NaN}', '{"a":"\x01"}', '{"a":"\\ud800"}', "{", '{"a":1}{}', '{"a":"\ud800"}',
        '{"a":' + "[" * MAX_NESTING + "]" * MAX_NESTING + "}",
        "~h~", "~h~x", "~h~\N{ARABIC-INDIC DIGIT ONE}",
    ],
)  # fmt: skip
def test_what_could_not_stand_in_an_array_as_it_is_is_not_embedded(payload: str) -> None:
    assert not embedded(payload)
    assert not embedded("{}", payload)


@pytest.mark.parametrize(
    "text",
    [
        "no packets", "~m~3~m~{}", "~m~02~m~{}", "~m~1~m~{}", "~m~2~m~{}~m~", '~m~7~m~{"a"\n}', "\ud800", "~m~1~m~\udfff", "\x00\r\n\u2028",
        "~m~1~m~\N{ROCKET}", "~m~2~m~\N{ROCKET}",
    ],
)  # fmt: skip
def test_other_messages_are_kept_raw_to_the_letter(text: str) -> None:
    value = written(text)
    assert value["raw"] == text
    assert "p" not in value


def test_a_message_of_astral_characters_is_embedded_with_its_utf16_length() -> None:
    text = framing.packet('{"a":"\N{ROCKET}\N{ROCKET}"}')
    assert text.startswith("~m~12~m~")
    record = msgspec.json.decode(encode_message(0, 1, "recv", text), type=Record)
    assert record.p is not None
    assert record.text() == text


def test_nesting_is_counted_outside_of_strings_only() -> None:
    brackets = '{"a":"' + "[{" * 300 + '\\"' + "[" * 300 + '"}'
    assert embedded(brackets)
    many = '{"a":[' + ",".join(["[{}]"] * 300) + "]}"
    assert embedded(many)
    assert embedded('{"a":"' + "[{" * 300 + '"}')


@pytest.mark.parametrize("text", ["", "]" * 50, "[" * 50, "]" * 50 + '\\"', "[" * 50 + '\\"'])
def test_the_deepest_level_is_the_same_whatever_texts_stand_around(text: str) -> None:
    before, after = f'{{"b":["{text}"],"a":', f',"c":"{text}"}}'
    inner = "[" * (MAX_NESTING - 1) + "]" * (MAX_NESTING - 1)
    assert embedded(before + inner + after)
    assert not embedded(before + f"[{inner}]" + after)


def test_payloads_of_a_raw_record_are_split_from_it() -> None:
    assert Record(0, 1, "recv", raw="~m~02~m~{}").payloads() == ["{}"]
    with pytest.raises(FramingError):
        Record(0, 1, "recv", raw="garbage").payloads()
    assert Record(0, 1, "note").payloads() == []


def test_a_heartbeat_is_the_only_payload_in_quotes() -> None:
    assert payload_text(b'"~h~12"') == "~h~12"
    assert payload_text(b'{"a":1}') == '{"a":1}'


def test_moments_and_offsets_undo_each_other() -> None:
    start = 1_751_800_000.123
    for t in (0, 1, 999_999_999, 86_400 * 10**9):
        assert abs(offset(start, moment(start, t)) - t) < 500
    assert offset(start, start - 1) == 0


def test_lines_with_lone_surrogates_are_written_with_escapes() -> None:
    assert encode_line({"reason": "\ud800", "n": 1}) == b'{"reason":"\\ud800","n":1}\n'
    assert encode_line({"reason": "\N{ROCKET}"}) == '{"reason":"\N{ROCKET}"}\n'.encode()


PLAIN = framing.packet('{"m":"qsd","p":["qs_1",{"n":"A:B","s":"ok","v":{"lp":1.5}}]}')
HELLO = framing.packet('{"session_id":"1","via":"10.1.2.3:443"}')
BEAT = framing.packet("~h~7")


@pytest.mark.parametrize(
    "texts, plain",
    [
        ([], True),
        ([PLAIN, PLAIN + PLAIN, BEAT], True),
        ([PLAIN, HELLO], False),
        ([PLAIN + HELLO], False),
        ([PLAIN + BEAT], False),
        (["", PLAIN], False),
        (["garbage", PLAIN], False),
        (["~m~02~m~{}"], False),
        ([framing.packet('{"m":"x\u2028\U0001f600"}')], False),
        # Alone each of these breaks off, and together they would be JSON.
        ([framing.packet('{"m":"a","p":[{}'), framing.packet("{}]}")], False),
        ([framing.packet('{"m":"a","p":'), framing.packet("{}}"), framing.packet('{"m":"a"},{}')], False),
        ([framing.packet('{"m":"a"}],"p":[{"m":"b"}'), PLAIN], False),
        ([framing.packet('{"m":"a",\n"p":[]}')], False),
        ([framing.packet('{"m":"a"} ')], False),
        ([framing.packet('{"m":"a","p":' + "[" * 200 + "]" * 200 + "}")], False),
        ([framing.packet('{"m":"a","p":["\ud800"]}')], False),
        ([framing.packet('{"m":"'), PLAIN], False),
        (['{"m":"a","p":[]}', PLAIN], False),
        ([framing.packet('{"m":"a"}{"m":"b"}')], False),
        ([PLAIN, framing.packet('{"m":"a","p":[]') + PLAIN], False),
        ([framing.packet('{"m":"a","p":["' + "x" * 5_000 + '"]}'), PLAIN], True),
    ],
)
def test_many_messages_get_the_lines_that_each_gets_alone(texts: list[str], plain: bool) -> None:
    lines, said = encode_messages(3, "recv", list(range(len(texts))), texts)
    assert lines == b"".join(encode_message(t, 3, "recv", text) for t, text in enumerate(texts))
    assert said is plain


def test_a_record_decodes_into_packets_of_its_side() -> None:
    command = msgspec.Raw(b'{"m":"set_locale","p":["en","US"]}')
    assert isinstance(Record(5, 1, "send", p=[command]).decoded().p[0], SetLocale)
    (as_reply,) = Record(5, 1, "recv", p=[command]).decoded().p
    assert isinstance(as_reply, Unknown)
    raw = Record(5, 2, "close", code=1001, reason="r", by="server").decoded()
    assert (raw.t, raw.c, raw.k, raw.p, raw.code, raw.reason, raw.by) == (5, 2, "close", None, 1001, "r", "server")


def test_a_header_names_its_part_only_where_there_are_parts() -> None:
    plain = json.loads(Header(start=1.5, url="u").line())
    assert plain == {"tape": 1, "start": 1.5, "tool": "", "url": "u", "subscriptions": [], "scrubbed": [], "seed": None, "times": "measured", "on_gap": "fill"}
    assert json.loads(Header(start=1.5, part=1).line())["part"] == 1
    second = json.loads(Header(start=1.5, part=2, previous="ab").line())
    assert (second["part"], second["previous"]) == (2, "ab")


def test_among_others_a_length_that_counts_characters_and_not_utf_16_units_is_kept_as_it_came() -> None:
    wrong = '~m~12~m~{"m":"a\U0001f600bc"}'
    assert len(wrong) == len('~m~12~m~') + 12
    lines, said = encode_messages(1, "recv", [1, 2], [framing.packet(QUOTE), wrong])
    assert lines == encode_message(1, 1, "recv", framing.packet(QUOTE)) + encode_message(2, 1, "recv", wrong)
    assert json.loads(lines.splitlines()[1])["raw"] == wrong
    assert not said
