"""The certificate as a server and a client see it."""

from __future__ import annotations

import asyncio
import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.certificate import Certificate, ensure_certificate
from local.clock import ManualClock, SystemClock

DAY_SECONDS = 24 * 3600.0


async def shake_hands(certificate: Certificate, *, host: str, trust: ssl.SSLContext) -> str:
    """Connect to a TLS server with this certificate; what it says."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=certificate.server_context())
    async with server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=host)
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_names_the_authority_trusts_the_server(tmp_path: Path, host: str) -> None:
    certificate = ensure_certificate(tmp_path, clock=SystemClock())

    answer = asyncio.run(shake_hands(certificate, host=host, trust=certificate.client_context()))

    assert answer == "hello"


def test_the_certificate_is_good_for_no_other_host(tmp_path: Path) -> None:
    certificate = ensure_certificate(tmp_path, clock=SystemClock())

    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        asyncio.run(shake_hands(certificate, host="example.com", trust=certificate.client_context()))


def test_it_is_used_again_while_it_is_valid_and_made_anew_before_its_end(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    first = ensure_certificate(tmp_path, clock=clock).chain_path.read_bytes()

    clock.advance(357 * DAY_SECONDS)
    in_time = ensure_certificate(tmp_path, clock=clock).chain_path.read_bytes()
    clock.advance(2 * DAY_SECONDS)
    near_its_end = ensure_certificate(tmp_path, clock=clock).chain_path.read_bytes()

    assert in_time == first
    assert near_its_end != first


def test_a_certificate_of_which_a_file_is_missing_is_made_anew(tmp_path: Path) -> None:
    certificate = ensure_certificate(tmp_path, clock=SystemClock())
    certificate.key_path.unlink()

    again = ensure_certificate(tmp_path, clock=SystemClock())

    assert again.key_path.exists()
    assert asyncio.run(shake_hands(again, host="localhost", trust=again.client_context())) == "hello"


@pytest.mark.parametrize("name", ["ca.pem", "server.pem", "server.key"])
@pytest.mark.parametrize("is_swapped", [True, False])
def test_a_certificate_of_which_a_file_is_damaged_or_another_s_is_made_anew(
    tmp_path: Path, name: str, *, is_swapped: bool
) -> None:
    other = ensure_certificate(tmp_path / "other", clock=SystemClock()).ca_path.with_name(name)
    certificate = ensure_certificate(tmp_path / "own", clock=SystemClock())
    certificate.ca_path.with_name(name).write_bytes(other.read_bytes() if is_swapped else b"damaged")

    again = ensure_certificate(tmp_path / "own", clock=SystemClock())

    assert asyncio.run(shake_hands(again, host="localhost", trust=again.client_context())) == "hello"


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    certificate = ensure_certificate(tmp_path, clock=SystemClock())

    assert stat.S_IMODE(certificate.key_path.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.pem", "server.key", "server.pem"]
