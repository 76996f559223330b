from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tvstreamer.errors import InvalidStudy
from tvstreamer.studies import Input, Study, study_label
from tvstreamer.testing.strategies import studies


@given(studies())
def test_the_text_reads_back_as_the_same_study(study: Study) -> None:
    assert Study.parse(str(study)) == study
    assert hash(Study.parse(str(study))) == hash(study)


@given(studies())
def test_what_is_asked_for_on_the_wire_reads_back_as_the_same_study(study: Study) -> None:
    assert Study.from_wire(study.wire_name, study.wire_inputs()) == study
    wrapped = {key: {"v": value, "f": True, "t": "any"} for key, value in study.wire_inputs().items()}
    assert Study.from_wire(study.wire_name + "!", wrapped) == study


@pytest.mark.parametrize(
    ("text", "name", "inputs", "canonical"),
    [
        ("RSI", "RSI", {"length": 14, "source": "close"}, "RSI:14"),
        (" rsi : 7 ", "RSI", {"length": 7, "source": "close"}, "RSI:7"),
        ("MA:50", "SMA", {"length": 50, "source": "close"}, "SMA:50"),
        ("EMA:9,source=hl2", "EMA", {"length": 9, "source": "hl2"}, "EMA:9,source=hl2"),
        ("BB:20,2.5", "BB", {"length": 20, "mult": 2.5, "source": "close"}, "BB:20,2.5"),
        ("bb:mult=1e0,length=5", "BB", {"length": 5, "mult": 1.0, "source": "close"}, "BB:5,1"),
        ("MACD", "MACD", {"fast": 12, "slow": 26, "source": "close", "signal": 9}, "MACD:12,26,9"),
        ("MACD:5,6,7", "MACD", {"fast": 5, "slow": 6, "source": "close", "signal": 7}, "MACD:5,6,7"),
        ("Volume:20,col_prev_close=True", "Volume", {"length": 20, "col_prev_close": True}, "Volume:20,col_prev_close=true"),
        ("Volume", "Volume", {"length": 20, "col_prev_close": False}, "Volume:20"),
        ("ADX@tv-basicstudies-241", "ADX@tv-basicstudies-241", {}, "ADX@tv-basicstudies-241"),
        ("ADX@tv-basicstudies-241!:in_0=14,x=hl2,y=0.5,z=false", "ADX@tv-basicstudies-241!",
         {"in_0": 14, "x": "hl2", "y": 0.5, "z": False}, "ADX@tv-basicstudies-241!:in_0=14,x=hl2,y=0.5,z=false"),
    ],
)  # fmt: skip
def test_texts(text: str, name: str, inputs: dict[str, Any], canonical: str) -> None:
    study = Study.parse(text)
    assert (study.name, dict(study.inputs), str(study)) == (name, inputs, canonical)
    assert Study.parse(study) is study
    assert repr(study) == f"Study({canonical!r})"
    for key, value in inputs.items():
        assert study[key] == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "study ''"),
        ("NOPE", "'NOPE': expected Volume, SMA, EMA, RSI, MACD, BB, or a name like"),
        ("RSI:", "length ''"),
        ("RSI:0", "length 0: expected a whole number from 1 to 10000"),
        ("RSI:10001", "length 10001"),
        ("RSI:1.5", "length 1.5"),
        ("RSI:1_4", "length '1_4'"),
        ("RSI:true", "length True"),
        ("RSI:nan", "length 'nan'"),
        ("RSI:14,15", "'15' is one too many"),
        ("RSI:14,length=15", "'length=15' is one too many"),
        ("RSI:=3", "'=3' is one too many"),
        ("RSI:size=3", "RSI, input 'size': expected one of length, source"),
        ("RSI:source=bid", "source 'bid': expected one of close, open"),
        ("BB:20,51", "mult 51: expected a number from 0.001 to 50"),
        ("Volume:20,col_prev_close=1", "col_prev_close 1: expected true or false"),
        ("ADX@tv-basicstudies-241:14", "'14' is one too many"),
        ("ADX@elsewhere", "'ADX@elsewhere'"),
        ("ADX@tv-basicstudies-241:a b=1", "input 'a b' 1: expected a name"),
        (7, "study 7: expected a Study, or a text like RSI:14"),
    ],
)
def test_what_is_no_study_is_refused_with_what_was_expected(text: object, words: str) -> None:
    with pytest.raises(InvalidStudy) as caught:
        Study.parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a,b", None, [1]])
def test_inputs_that_are_handed_on_unread_are_plain(value: Any) -> None:
    with pytest.raises(InvalidStudy):
        Study("ADX@tv-basicstudies-241", in_0=value)


def test_a_name_is_a_text() -> None:
    with pytest.raises(InvalidStudy):
        Study(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "inputs", "study"),
    [
        ("Volume@tv-basicstudies-118", {"length": 20, "col_prev_close": "false"}, Study("Volume")),
        ("Volume@tv-basicstudies-246", {"col_prev_close": "TRUE"}, Study("Volume", col_prev_close=True)),
        ("RSI@tv-basicstudies", {"in_0": 7}, Study("RSI", length=7)),
        ("RSI@tv-basicstudies-251", {"length": 7, "smoothingLine": "SMA", "in_9": 1}, Study("RSI", length=7)),
        ("MASimple@tv-basicstudies-1", {"in_0": 3, "in_1": "open", "in_2": 0}, Study("SMA", length=3, source="open")),
        ("MAExp@tv-basicstudies-1!", {}, Study("EMA")),
        ("MACD@tv-basicstudies-251", {"in_0": 1, "in_1": 2, "in_2": "open", "in_3": 4}, Study("MACD", fast=1, slow=2, source="open", signal=4)),
        ("MACD@tv-basicstudies-1", {"in_0": 1, "in_1": 2, "in_2": 4, "in_3": "open"}, Study("MACD", fast=1, slow=2, source="open", signal=4)),
        ("BB@tv-basicstudies-1", {"length": 20, "mult": 2, "source": "close"}, Study("BB")),
        ("BB@tv-basicstudies-1", None, Study("BB")),
    ],
)
def test_what_clients_were_seen_to_ask_for(kind: str, inputs: object, study: Study) -> None:
    assert Study.from_wire(kind, inputs) == study


@pytest.mark.parametrize(
    ("kind", "inputs", "words"),
    [
        ("Script@tv-scripting-101!", {"text": "secret"}, "'Script@tv-scripting-101!': expected one of Volume@"),
        ("ADX@tv-basicstudies-241", {}, "'ADX@tv-basicstudies-241'"),
        ("RSI", {}, "'RSI'"),
        ("RSI@tv-basicstudies-1", {"in_0": "x"}, "length 'x'"),
        ("RSI@tv-basicstudies-1", {"in_1": "st4$4"}, "source 'st4$4'"),
        ("RSI@tv-basicstudies-1", {"in_1": 3}, "source 3"),
    ],
)
def test_what_cannot_be_computed_says_why(kind: str, inputs: object, words: str) -> None:
    with pytest.raises(InvalidStudy) as caught:
        Study.from_wire(kind, inputs)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "inputs", "label"),
    [
        ("BB@tv-basicstudies-1", {"in_0": 5}, ("BB:5,2", ("basis", "upper", "lower"))),
        ("ADX@tv-basicstudies-241", {}, ("ADX@tv-basicstudies-241", ())),
        ("ADX@tv-basicstudies-241", {"in_0": 14}, ("ADX@tv-basicstudies-241:in_0=14", ())),
        ("ADX@tv-basicstudies-241", {"in_0": {"v": 14}}, ("ADX@tv-basicstudies-241", ())),
        ("anything", {"in_0": 14}, ("anything", ())),
        ("Script@tv-scripting-101!", {"pineId": "STD;SMA"}, ("STD;SMA", ())),
        ("Script@tv-scripting-101!", {"pineId": 7}, ("Script@tv-scripting-101!", ())),
        ("Script@tv-scripting-101!", [], ("Script@tv-scripting-101!", ())),
    ],
)
def test_every_study_has_a_name(kind: str, inputs: object, label: tuple[str, tuple[str, ...]]) -> None:
    assert study_label(kind, inputs) == label


def test_plots_and_what_goes_to_the_wire() -> None:
    assert Study("MACD").plots == ("histogram", "macd", "signal")
    assert Study("MACD").wire_inputs() == {"in_0": 12, "in_1": 26, "in_2": "close", "in_3": 9}
    assert Study("Volume").wire_inputs() == {"length": 20, "col_prev_close": False}
    raw = Study("ADX@tv-basicstudies-241", in_0=14)
    assert (raw.wire_name, raw.plots, raw.wire_inputs()) == ("ADX@tv-basicstudies-241", (), {"in_0": 14})
    assert raw != Study("RSI")
    assert raw != "ADX@tv-basicstudies-241:in_0=14"


def test_a_whole_float_is_a_length() -> None:
    assert Input("length", "length", 1).read(5.0) == 5
