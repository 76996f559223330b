"""The cassettes in fixtures/cassettes: what `HttpClient` asks a fake server, and what that answers, as vcrpy records it.

    python tools/make_cassettes.py            # makes them anew
    python tools/make_cassettes.py --check    # tells which ones differ, with exit code 1

tests/integration/test_cassettes.py plays them, and does the same check.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vcr import VCR
from vcr.serializers import yamlserializer

from tvstreamer import Credentials, FakeServer, TvError
from tvstreamer.http import HttpClient

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "cassettes"
SESSION = Credentials(cookie="sessionid=of-a-test; sessionid_sign=v1:of-a-test")


def search(http: HttpClient) -> None:
    for rows in (
        http.search("btc", type="crypto", exchange="COINBASE"),
        http.search("sap", country="DE"),
        http.search("no such thing"),
    ):
        list(rows)


def token(http: HttpClient) -> None:
    http.fetch_token()


def both(http: HttpClient) -> None:
    for ask in (search, token):
        with contextlib.suppress(TvError):
            ask(http)


SCENARIOS: dict[str, tuple[Callable[[HttpClient], None], dict[str, Any]]] = {
    "search": (search, {}),
    "token": (token, {"tokens": ["token-of-a-test"]}),
    "forbidden": (both, {"site": "forbidden"}),
    "captcha": (both, {"site": "captcha"}),
    "changed": (both, {"site": "changed"}),
    "busy": (both, {"site": "busy"}),
    "down": (both, {"site": "down"}),
}
"""Which cassette comes of what, asked of which server."""


def cassette(path: Path, mode: str) -> Any:
    """A context in which the cassette is recorded (`all`) or played (`none`)."""
    # The version of the client would have all of them made anew for each release.
    return VCR(filter_headers=["user-agent", ("cookie", "of-a-test")]).use_cassette(str(path), record_mode=mode)


def make(folder: Path) -> list[Path]:
    """Makes all of them."""
    made = []
    for name, (ask, options) in SCENARIOS.items():
        path = folder / f"{name}.yaml"
        path.unlink(missing_ok=True)
        # Without a socket, so that no port is in the address; on a clock that always begins at the same moment.
        with FakeServer(seed=7, speed="max", **options) as server, HttpClient(server, auth=SESSION) as http:
            with cassette(path, "all"):
                ask(http)
        made.append(path)
    return made


def stale(folder: Path = FOLDER) -> list[str]:
    """The names of those that are not what would be made now, and of those that nobody would make."""
    with tempfile.TemporaryDirectory() as fresh:
        wanted = {path.name: _content(path) for path in make(Path(fresh))}
    kept = {path.name: _content(path) for path in folder.iterdir()}
    return sorted(name for name in {*wanted, *kept} if wanted.get(name) != kept.get(name))


def _content(path: Path) -> Any:
    """What is in a cassette; two versions of YAML's library may break its lines differently."""
    return yamlserializer.deserialize(path.read_text(encoding="utf-8"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        FOLDER.mkdir(parents=True, exist_ok=True)
        make(FOLDER)
        return 0
    for name in (found := stale()):
        print(f"{FOLDER / name} is not what the fake server answers")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
