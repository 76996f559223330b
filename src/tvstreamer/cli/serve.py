"""`serve`: a fake market or a tape on a port of this machine."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tvstreamer.cli.failures import failures_told
from tvstreamer.cli.output import say
from tvstreamer.cli.run import INTERRUPTED
from tvstreamer.cli.stopping import Stopping
from tvstreamer.errors import InvalidPlan, InvalidSource, shorten
from tvstreamer.faults import load_plan
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.manners import SiteState, SlowClient
from tvstreamer.server.market import UNKNOWN
from tvstreamer.server.market.specs import BAR_FILES, parse_markets
from tvstreamer.sources import fake_options

_LOOK = 0.2

TOKEN: Final = "TVSTREAMER_CONTROL_TOKEN"  # noqa: S105 - the name of the variable
ACCEPTED: Final = "TVSTREAMER_SERVER_TOKENS"
"""Tokens that clients may come with, divided by blanks; secrets are no options."""


def serve(
    tape: str | None,
    source: str | None,
    host: str,
    port: int,
    speed: str | None,
    seed: int | None,
    unknown: list[str] | None,
    forbidden: list[str] | None,
    error: list[str] | None,
    plan: str | None,
    site: SiteState,
    strict: bool,
    tls: bool,
    tls_ca: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    control: int | None,
    slow_client: SlowClient,
    duration: float | None,
    faults: str | None,
    market: list[str] | None,
    start: str | None,
) -> int:
    if market and (tape is not None or source is not None):
        raise InvalidPlan(f"--market {shorten(market[0])} and {shorten(tape or source)}: expected one of them")
    tape, options = _served(tape, source, seed, speed)
    # An empty variable is none, as for the other secrets of the environment.
    token = os.environ.get(TOKEN) or None
    server = FakeServer(
        seed=int(options.get("seed", 0)),
        speed=options.get("speed", 1),
        tape=tape,
        market=parse_markets(market) if market else None,
        start=None if start is None else _moment(start),
        unknown=(*UNKNOWN, *(unknown or ())),
        tokens=os.environ.get(ACCEPTED, "").split(),
        forbidden=forbidden or (),
        errors=_errors(error or ()),
        plan=plan,
        site=site,
        strict=strict,
        host=host,
        port=port,
        tls=_tls(tls, tls_ca, tls_cert, tls_key),
        control=False if control is None else control,
        control_token=token,
        slow_client=slow_client,
        faults=None if faults is None else load_plan(faults),
    )
    with Stopping() as stopping, failures_told(), server:
        if tls_ca is not None:
            _write(tls_ca, server.ca_pem.read_bytes())
        # The address is the one thing that another program needs, so it alone is on standard output.
        say(server.url)
        served = tape or ", ".join(market or ()) or f"a synthetic market, seed {server.seed}"
        print(f"serving {served}; Ctrl-C stops", file=sys.stderr)
        if tls:
            print(f"to trust it: SSL_CERT_FILE={tls_ca or server.ca_pem}", file=sys.stderr)
        if control is not None:
            known = f"the token of {TOKEN}" if token else f"token {server.control_token}"
            print(f"control: {server.control_url} {known}", file=sys.stderr)
        for _ in looks(stopping, duration):
            pass
    return INTERRUPTED if stopping else 0


def _errors(options: Iterable[str]) -> dict[str, str]:
    """Why which commands fail. Raises `InvalidPlan`."""
    errors: dict[str, str] = {}
    for option in options:
        method, sign, reason = option.partition("=")
        if not sign:
            raise InvalidPlan(f"--error {shorten(option)}: expected METHOD=REASON, such as create_series=custom_resolution")
        errors[method] = reason
    return errors


def _moment(text: str) -> float:
    """When the server's clock begins. Raises `InvalidPlan`."""
    try:
        if re.fullmatch(r"\d{1,12}(\.\d{1,3})?", text, re.ASCII):
            return float(text)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        expected = "expected seconds since the epoch, or a time such as 2025-07-06T20:00:00Z"
        raise InvalidPlan(f"--start {shorten(text)}: {expected}") from None


def _served(tape: str | None, source: str | None, seed: int | None, speed: str | None) -> tuple[str | None, dict[str, str]]:
    """The tape to serve, if any, and the options of `fake:...` with those that have an option of their own."""
    if tape is not None and source is not None:
        raise InvalidPlan(f"tape {shorten(tape)} and --source {shorten(source)}: expected one of them")
    options: dict[str, str] = {}
    if source is not None and source.partition(":")[0] == "fake":
        options = fake_options(source)
    elif source is not None:
        tape = source
    for name, value in (("seed", seed), ("speed", speed)):
        if value is None:
            continue
        if name in options:
            raise InvalidPlan(f"--{name} {shorten(value)} and --source {shorten(source)}: expected one of them")
        options[name] = str(value)
    if tape is not None:
        if seed is not None:
            raise InvalidPlan(f"--seed {seed!r}: expected none with the tape {shorten(tape)}, which is what it is")
        if Path(tape).is_dir():
            raise InvalidSource(f"source {shorten(tape)}: a directory; expected a tape, or fake")
        if Path(tape).suffix.lower() in set(BAR_FILES) - {".txt"}:
            raise InvalidSource(f"source {shorten(tape)}: expected a tape, or fake; bars are a market: --market {tape}")
        if not Path(tape).is_file():
            raise InvalidSource(f"source {shorten(tape)}: no such file; expected a tape, or fake")
    return tape, options


def _tls(made_up: bool, ca: str | None, certificate: str | None, key: str | None) -> bool | tuple[str, str]:
    if certificate is not None and key is not None and not made_up and ca is None:
        return certificate, key
    if certificate is not None or key is not None:
        raise InvalidPlan("--tls-cert and --tls-key: expected both, and neither --tls nor --tls-ca with them")
    if ca is not None and not made_up:
        raise InvalidPlan(f"--tls-ca {shorten(ca)}: expected --tls with it")
    return made_up


def _write(path: str, content: bytes) -> None:
    try:
        Path(path).write_bytes(content)
    except (OSError, ValueError) as exc:
        problem = getattr(exc, "strerror", None) or exc
        raise InvalidPlan(f"--tls-ca {shorten(path)}: {problem}: expected a file that can be written") from exc


def looks(stopping: Stopping, duration: float | None) -> Iterator[None]:
    """One turn every now and then until somebody asked to stop, or so many seconds are over."""
    waited = 0.0
    idle = threading.Event()
    while not stopping and (duration is None or waited < duration):
        step = _LOOK if duration is None else min(_LOOK, duration - waited)
        idle.wait(step)
        waited += step
        yield
