"""`wss://`: who trusts the certificate gets in, nobody else does, and the user's own files work too."""

from __future__ import annotations

import gc
import http.client
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from tvstreamer import Connected, TvWSClient
from tvstreamer.clock import SystemClock
from tvstreamer.errors import ConnectFailed, InvalidPlan
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.tls import made_up
from tvstreamer.transports.websocket_client import connect

CLOCK = SystemClock()


def own_files(folder: Path) -> tuple[Path, Path, Path]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key, ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    ca.write_bytes(authority.cert_pem.bytes())
    return certificate, key, ca


def test_a_client_that_trusts_the_made_up_authority_streams_and_others_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    with FakeServer(seed=1, tls=True) as server:
        assert server.url.startswith("wss://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=server.ca_pem)
        connector = lambda: connect(server.url, clock=CLOCK, ssl_context=trusting)  # noqa: E731
        with TvWSClient(["BINANCE:BTCUSDT"], source=connector, clock=CLOCK) as client:
            assert isinstance(next(client.stream()), Connected)
        with pytest.raises(ConnectFailed, match="certificate not accepted"):
            connect(server.url, clock=CLOCK)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain:
            plain.sendall(b"GET /ping HTTP/1.1\r\n\r\n")
            assert not plain.recv(100).startswith(b"HTTP")
        ca = server.ca_pem
    assert not ca.exists()
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_plain_requests_are_answered_over_tls_too() -> None:
    with FakeServer(seed=1, tls=True) as server:
        trusting = ssl.create_default_context(cafile=server.ca_pem)
        client = http.client.HTTPSConnection("localhost", server.port, timeout=20, context=trusting)
        client.request("GET", "/ping")
        assert client.getresponse().read() == b"pong\n"
        client.close()


def test_the_users_own_certificate_is_served_and_kept(tmp_path: Path) -> None:
    certificate, key, ca = own_files(tmp_path)
    with FakeServer(seed=1, tls=(certificate, key)) as server:
        assert server.ca_pem == certificate
        connect(server.url, clock=CLOCK, ssl_context=ssl.create_default_context(cafile=ca)).close()
    assert certificate.exists()


def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    certificate, key, ca = own_files(tmp_path)
    for pair in ((tmp_path / "absent.pem", key), (certificate, ca), (key, key), (certificate, tmp_path)):
        with pytest.raises(InvalidPlan, match="expected a PEM certificate") as caught:
            FakeServer(tls=pair)
        assert str(pair[0]) in str(caught.value)


def test_without_tls_there_is_nothing_to_trust() -> None:
    with pytest.raises(InvalidPlan, match="tls=True"):
        _ = FakeServer().ca_pem


def test_an_address_that_stands_for_all_is_no_name_in_the_certificate() -> None:
    for host in ("0.0.0.0", "::", "box.example"):
        certificate = made_up(host)
        certificate.discard()
        certificate.discard()
        assert not certificate.ca_pem.exists()


def test_what_was_made_up_is_gone_with_a_server_that_nobody_closed() -> None:
    server = FakeServer(tls=True)
    ca = server.ca_pem
    del server
    gc.collect()
    assert not ca.exists()
