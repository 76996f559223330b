"""The control API: who may use it, what each request does, and what a wrong one is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tvstreamer import faults
from tvstreamer.faults import FaultPlan
from tvstreamer.protocol import framing
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.http.control import Control
from tvstreamer.server.http.http11 import HttpRequest, HttpResponse

TOKEN = "a-token-of-some-length"
SYMBOL = "EX:SYM"


class Api:
    """A server in memory and its control API, without a port."""

    def __init__(self, **options: Any) -> None:
        self.server = FakeServer(seed=1, control=True, control_token=TOKEN, **options)
        self.control = Control(self.server, TOKEN)

    def ask(self, verb: str, path: str, body: str | bytes = b"", **query: str) -> HttpResponse:
        data = body.encode() if isinstance(body, str) else body
        response = self.control.answer(HttpRequest(verb, path, query, {"authorization": f"Bearer {TOKEN}"}, data))
        assert response is not None
        return response

    def do(self, verb: str, path: str, body: object = None, **query: str) -> Any:
        response = self.ask(verb, path, b"" if body is None else json.dumps(body), **query)
        assert response.status == 200, response.body
        return json.loads(response.body)


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    with made.server:
        yield made


@pytest.mark.parametrize("header", [{}, {"authorization": TOKEN}, {"authorization": "Bearer "}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": "Bearer ä"}])
def test_who_does_not_have_the_token_may_do_nothing(api: Api, header: dict[str, str]) -> None:
    for path in ("/journal", "/pause", "/nothing"):
        refused = api.control.answer(HttpRequest("POST", path, {}, header))
        assert refused is not None
        assert refused.status == 401
        assert ("WWW-Authenticate", "Bearer") in refused.headers
    assert not api.server.paused
    assert api.control.answer(HttpRequest("GET", "/ping")) is None, "left to whoever answers pings"


def test_the_token_is_no_part_of_a_repr(api: Api) -> None:
    assert TOKEN not in repr(api.control) + repr(api.server)


def test_what_is_not_there_and_what_is_not_allowed_is_told(api: Api) -> None:
    assert api.ask("GET", "/nothing").status == 404
    refused = api.ask("DELETE", "/faults/")
    assert refused.status == 404
    refused = api.ask("GET", "/pause")
    assert (refused.status, refused.headers) == (405, (("Allow", "POST"),))


def test_the_journal_is_filtered_and_ends_somewhere(api: Api) -> None:
    for _ in range(2):
        api.server.connect().send(framing.packet('{"m":"set_locale","p":["en","US"]}') + framing.packet('{"m":"dance","p":[]}'))
    everything = api.do("GET", "/journal")
    assert [(entry["connection"], entry["kind"], entry["direction"]) for entry in everything["entries"]] == [
        (1, "command", "send"), (1, "ignored", "send"), (2, "command", "send"), (2, "ignored", "send"),
    ]  # fmt: skip
    assert api.do("GET", "/journal", kind="ignored", connection="2")["entries"] == everything["entries"][3:]
    assert api.do("GET", "/journal", method="set_locale", limit="1") == {"entries": [everything["entries"][2]], "left_out": 1}


@pytest.mark.parametrize("query", [{"limit": "-1"}, {"limit": "x"}, {"connection": "²"}, {"colour": "red"}])
def test_a_filter_that_is_none_is_refused(api: Api, query: dict[str, str]) -> None:
    assert "expected" in json.loads(api.ask("GET", "/journal", **query).body)["error"]


@pytest.mark.parametrize(
    "plan", ['[[fault]]\nkind = "close"\nafter = 3\n', '{"fault":[{"kind":"close","after":3}]}', ' {"fault":[{"kind":"close","after":3}],"seed":0}']
)
def test_faults_are_toml_or_json(api: Api, plan: str) -> None:
    assert json.loads(api.ask("POST", "/faults", plan).body) == {"faults": 1}
    assert api.server._plan == FaultPlan([faults.close(after=3)])
    assert api.do("DELETE", "/faults") == {"faults": 0}
    assert not api.server._plan


def test_faults_that_fired_are_told(api: Api) -> None:
    api.server.set_faults(FaultPlan([faults.refuse(status=503)]))
    with pytest.raises(Exception, match="503"):
        api.server.connect()
    [fired] = api.do("GET", "/faults")["fired"]
    assert (fired["kind"], fired["connection"]) == ("refuse", 1)


@pytest.mark.parametrize("plan", ["", "kind = ", "{", '{"fault":[{"kind":"clos"}]}', '{"faults":[]}', b"\xff", "{" + '"a":[' * 100_000])
def test_a_plan_that_is_none_is_refused_and_changes_nothing(api: Api, plan: str | bytes) -> None:
    api.server.set_faults(FaultPlan([faults.close(after=3)]))
    refused = api.ask("POST", "/faults", plan)
    assert refused.status == 400
    assert json.loads(refused.body)["error"]
    assert api.server._plan


def test_a_client_is_hung_up_on(api: Api) -> None:
    for _ in range(3):
        api.server.connect()
    assert api.do("POST", "/disconnect", {"number": 2, "code": 4001, "reason": "bye"}) == {"disconnected": [2]}
    assert api.do("POST", "/disconnect")["disconnected"] == [1, 3]


def test_time_is_stopped_set_forward_and_goes_on(api: Api) -> None:
    at = api.do("POST", "/pause")["time"]
    assert api.do("GET", "/status") == {"time": at, "paused": True, "connections": []}
    assert api.do("POST", "/seek", {"time": "+1h"})["time"] == at + 3600
    assert api.do("POST", "/seek", {"time": at + 7200})["time"] == at + 7200
    assert api.do("POST", "/resume")["time"] >= at + 7200
    assert not api.server.paused


def test_prices_are_put_in_by_hand(api: Api) -> None:
    rows = [[1_700_000_040.0, 1, 2, 0.5, 1.5, 10]]
    api.do("POST", "/market", {"bars": {"symbol": SYMBOL, "interval": "1", "rows": rows}})
    now = api.server.clock.now()
    api.do("POST", "/market", {"tick": {"symbol": SYMBOL, "price": 42.5, "size": 2}})
    assert api.server._market.quote(SYMBOL, api.server.clock.now())["lp"] == 42.5
    api.do("POST", "/market", {"close_bar": {"symbol": SYMBOL, "interval": "1"}})
    assert api.server._market.ticks(SYMBOL, now, api.server.clock.now())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/market", "{}"),
        ("/market", '{"tick":{"symbol":"no symbol","price":1}}'),
        ("/market", '{"tick":{"symbol":"EX:SYM"}}'),
        ("/market", '{"bars":{"symbol":"EX:SYM","interval":"7Q","rows":[]}}'),
        ("/market", "[" * 100_000),
        ("/market", b"\xff"),
        ("/disconnect", '{"code":"x"}'),
        ("/disconnect", '{"code":1005}'),
        ("/disconnect", '{"colour":"red"}'),
        ("/seek", ""),
        ("/seek", '{"time":"yesterday"}'),
        ("/seek", '{"time":"2026-01-02T15:00:00"}'),
        ("/seek", '{"time":0}'),
        ("/seek", '{"time":-1}'),
        ("/seek", '{"time":"+never"}'),
    ],
)
def test_a_body_that_is_wrong_is_told_what_was_expected(api: Api, path: str, body: str | bytes) -> None:
    refused = api.ask("POST", path, body)
    assert refused.status == 400
    assert len(refused.body) < 1_000
    assert "expected" in json.loads(refused.body)["error"] or "UTF-8" in refused.body


def test_the_site_can_be_put_into_another_state_and_back(api: Api) -> None:
    assert api.do("POST", "/site", {"state": "busy"}) == {"state": "busy"}
    assert api.server.answer_http("GET", "/chart/")[0] == 429
    api.do("POST", "/site", {"state": "usual"})
    assert api.server.answer_http("GET", "/chart/")[0] == 200
    refused = api.ask("POST", "/site", '{"state":"closed"}')
    assert refused.status == 400
    assert "site 'closed': expected one of usual, forbidden" in refused.body
    assert api.ask("POST", "/site").status == 400
