"""What `flyball up` says when it cannot serve: one error, exit code 2, and nothing left running."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.local.checkout import START_SECONDS, Checkout, give_version, make_checkout

pytestmark = pytest.mark.slow

PACKAGE = "tumours"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path / "flyball", packages=[PACKAGE])


def edit(checkout: Checkout, file: str, old: str, new: str) -> None:
    path = checkout.root / "model_packages" / PACKAGE / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def failure_of_up(checkout: Checkout) -> str:
    """What `up` printed before it ended with the operator's exit code and left nothing behind."""
    serving = checkout.start_up()

    assert serving.wait(START_SECONDS) == 2, serving.output
    assert 'cli.py", line' not in serving.output, "no traceback of our own"
    assert checkout.processes() == set()
    assert not (checkout.root / ".flyball" / "cloud.json").exists()
    return serving.output


@pytest.mark.parametrize("option", ["--https-port", "--cloud-port", "--console-port"])
def test_a_port_in_use_is_said_before_anything_is_trained(checkout: Checkout, option: str) -> None:
    port = int(checkout.ports[checkout.ports.index(option) + 1])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()

        output = failure_of_up(checkout)

    assert f"cannot listen on port {port}" in output
    assert f"{option} takes another port" in output
    assert "training" not in output


def test_every_problem_of_every_package_is_in_one_error(checkout: Checkout) -> None:
    edit(checkout, "package.toml", "minimum_instances = 1", "minimum_instances = 0\nsize = 3")
    (checkout.root / "model_packages" / PACKAGE / "train.py").unlink()

    output = failure_of_up(checkout)

    assert "3 problems in model packages" in output
    assert "tumours/package.toml: endpoint.minimum_instances: found 0; allowed:" in output
    assert "tumours/package.toml: endpoint.size: found an unknown key" in output
    assert "tumours/train.py: found no file" in output


def test_a_schema_that_cannot_be_imported_is_named(checkout: Checkout) -> None:
    edit(checkout, "schema.py", "from __future__", "import nonesuch\nfrom __future__")

    output = failure_of_up(checkout)

    assert "tumours/schema.py: import: found" in output


def test_a_training_that_fails_shows_its_own_last_lines(checkout: Checkout) -> None:
    edit(checkout, "train.py", "def evaluate(", 'raise RuntimeError("the data is upside down")\n\n\ndef evaluate(')

    output = failure_of_up(checkout)

    assert "training of tumours failed: " in output
    assert "the data is upside down" in output
    assert not (checkout.root / "build" / "models" / PACKAGE).exists()


def test_a_model_that_does_not_load_fails_the_deployment_with_the_servers_last_line(checkout: Checkout) -> None:
    give_version(checkout, PACKAGE)
    edit(
        checkout,
        "inference.py",
        "def model_fn(",
        'def model_fn(model_dir):\n    raise OSError("no weights")\n\n\ndef _(',
    )

    output = failure_of_up(checkout)

    assert "flyball-tumours ROLLBACK_COMPLETE" in output
    assert "no weights" in output


def test_a_version_of_another_schema_is_trained_again(checkout: Checkout) -> None:
    give_version(checkout, PACKAGE)
    edit(checkout, "schema.py", "class Request(Payload):", "class Request(Payload):\n    remark: str | None = None\n")

    output = failure_of_up(checkout)

    assert "training tumours ..." in output
    assert "remark" in output
