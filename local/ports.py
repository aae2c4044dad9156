"""The ports that a local cloud listens on, on loopback alone."""

from __future__ import annotations

import socket
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, TypeVar

from model_packages.errors import OperatorError

T = TypeVar("T")

LOOPBACK: Final = "127.0.0.1"
HTTPS_OPTION: Final = "--https-port"
CLOUD_OPTION: Final = "--cloud-port"
CONSOLE_OPTION: Final = "--console-port"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where it listens; 0 takes any free port."""

    https: int = 8443
    cloud: int = 8444
    console: int = 8445

    def check(self) -> None:
        """Raises OperatorError if one of them is taken: minutes of training before that is found out help nobody."""
        options = ((self.https, HTTPS_OPTION), (self.cloud, CLOUD_OPTION), (self.console, CONSOLE_OPTION))
        for port, option in options:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError as error:
                    raise _cannot_listen(port, option, error) from error


async def listening(start: Awaitable[T], *, port: int, option: str) -> T:
    """What `start` gives once it listens.

    Raises: OperatorError if the port is taken.
    """
    try:
        return await start
    except OSError as error:
        raise _cannot_listen(port, option, error) from error


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _cannot_listen(port: int, option: str, error: OSError) -> OperatorError:
    return OperatorError(f"cannot listen on port {port}: {error.strerror}; {option} takes another port")
