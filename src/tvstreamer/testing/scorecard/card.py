"""How a client did, for people and for machines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as Xml

import msgspec

Verdict = Literal["passed", "failed", "skipped"]
_MARKS: dict[Verdict, str] = {"passed": "ok  ", "failed": "FAIL", "skipped": "-   "}
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one scenario. `reason` says why it failed or could not be judged."""

    name: str
    title: str
    verdict: Verdict
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The results of one client, in the order of the scenarios."""

    client: str
    results: tuple[Result, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(result.verdict == verdict for result in self.results)

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and something could be judged."""
        return not self.count("failed") and self.count("passed") > 0

    def text(self) -> str:
        """A line for each scenario, the reason below it, and the score."""
        lines = [self.client]
        for result in self.results:
            lines.append(f"{_MARKS[result.verdict]} {result.name:<24} {result.title} ({result.seconds:.1f} s)")
            if result.reason:
                lines.append(f"     {'':<24} {result.reason}")
        judged = self.count("passed") + self.count("failed")
        skipped = self.count("skipped")
        return "\n".join([*lines, f"{self.count('passed')} of {judged} passed" + (f", {skipped} not judged" if skipped else "")])

    def json(self) -> str:
        """One JSON object: the client, the counts, the results."""
        verdicts: tuple[Verdict, ...] = ("passed", "failed", "skipped")
        value: dict[str, Any] = {"client": self.client, **{verdict: self.count(verdict) for verdict in verdicts}}
        return msgspec.json.encode(value | {"results": list(self.results)}).decode()

    def junit(self) -> str:
        """JUnit's XML, one test case for each scenario, as CI servers read it."""
        suite = Xml.Element(
            "testsuite",
            name="tvstreamer conformance",
            tests=str(len(self.results)),
            failures=str(self.count("failed")),
            errors="0",
            skipped=str(self.count("skipped")),
            time=f"{sum(result.seconds for result in self.results):.3f}",
        )
        for result in self.results:
            where = {"classname": _clean(self.client), "name": result.name, "time": f"{result.seconds:.3f}"}
            case = Xml.SubElement(suite, "testcase", where)
            if result.verdict != "passed":
                kind = "failure" if result.verdict == "failed" else "skipped"
                Xml.SubElement(case, kind, message=_clean(result.reason)).text = _clean(result.title)
        suites = Xml.Element("testsuites")
        suites.append(suite)
        Xml.indent(suites)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(suites, encoding="unicode")


def _clean(text: str) -> str:
    """What a client printed may hold characters that XML cannot."""
    return _NOT_IN_XML.sub("\ufffd", text)
