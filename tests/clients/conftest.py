"""The local cloud that other people's clients are tried against: one `flyball up` with the package digits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.cloud import ClientsCloud
from tests.local.checkout import give_version, make_checkout


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientsCloud]:
    """A cloud with an endpoint, and what a training job needs: a role, data, an image."""
    checkout = make_checkout(Path(tmp_path_factory.mktemp("clients")) / "flyball", packages=["digits"])
    give_version(checkout, "digits")
    serving = checkout.up()
    try:
        yield ClientsCloud(checkout).prepared()
    finally:
        serving.stop()
