"""The scorecard in its three forms."""

from __future__ import annotations

import json
from xml.etree import ElementTree as Xml

from tvstreamer.testing.scorecard import Result, Scorecard

CARD = Scorecard(
    "node client.js {url}",
    (
        Result("subscribes", "asks for bars", "passed", "", 1.25),
        Result("silence", "notices silence", "failed", "expected a new connection; it said: '\x1b<'", 4.0),
        Result("tells_history", "prints the history", "skipped", "it prints no bars", 0.0),
    ),
)


def test_as_text_reasons_stand_below_and_the_score_at_the_end() -> None:
    assert CARD.text().splitlines() == [
        "node client.js {url}",
        "ok   subscribes               asks for bars (1.2 s)",
        "FAIL silence                  notices silence (4.0 s)",
        "                              expected a new connection; it said: '\x1b<'",
        "-    tells_history            prints the history (0.0 s)",
        "                              it prints no bars",
        "1 of 2 passed, 1 not judged",
    ]
    assert Scorecard("x", CARD.results[:1]).text().endswith("1 of 1 passed")


def test_as_json_everything_is_there() -> None:
    value = json.loads(CARD.json())
    assert (value["client"], value["passed"], value["failed"], value["skipped"]) == ("node client.js {url}", 1, 1, 1)
    assert value["results"][0] == {"name": "subscribes", "title": "asks for bars", "verdict": "passed", "reason": "", "seconds": 1.25}


def test_as_junit_it_is_xml_whatever_a_client_has_said() -> None:
    root = Xml.fromstring(CARD.junit())
    suite = root[0]
    assert suite.attrib | {"time": ""} == {
        "name": "tvstreamer conformance", "tests": "3", "failures": "1", "errors": "0", "skipped": "1", "time": "",
    }  # fmt: skip
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["skipped"]]
    assert suite[1][0].attrib["message"] == "expected a new connection; it said: '\ufffd<'"


def test_it_is_passed_when_nothing_failed_and_something_was_judged() -> None:
    passed, failed, skipped = CARD.results
    assert Scorecard("x", (passed, skipped)).passed
    assert not Scorecard("x", (passed, failed)).passed
    assert not Scorecard("x", (skipped,)).passed
