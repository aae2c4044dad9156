"""Where a custom resource's answer arrives: an HTTP PUT to an address that was given to its function."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from local.deploy.documents import Json

Answer = dict[str, Json]

LONGEST_ANSWER_BYTES = 4096
TOO_LONG: Answer = {"Status": "TOO_LONG"}
"""Stands for an answer that CloudFormation would not read."""


class ResponseReceiver(Protocol):
    """Hands out one address a request and waits for what is put there."""

    def url_for(self, request_id: str) -> str:
        """The address (ResponseURL) at which this request's answer is expected."""
        ...

    def wait(self, request_id: str, timeout_seconds: float) -> Answer | None:
        """The answer once it has come; None where it did not come in time."""
        ...


class HttpReceiver:
    """A receiver on a loopback port, for as long as its context lasts."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}
        self._arrived = threading.Condition()
        self._server: ThreadingHTTPServer | None = None

    @contextmanager
    def listening(self) -> Iterator[HttpReceiver]:
        """Serves until the block ends."""
        with ThreadingHTTPServer(("127.0.0.1", 0), self._request_handler()) as server:
            self._server = server
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()
                self._server = None

    def url_for(self, request_id: str) -> str:
        if self._server is None:
            raise RuntimeError("the receiver is not listening")
        return f"http://127.0.0.1:{self._server.server_port}/{request_id}"

    def wait(self, request_id: str, timeout_seconds: float) -> Answer | None:
        with self._arrived:
            self._arrived.wait_for(lambda: request_id in self._answers, timeout_seconds)
            return self._answers.pop(request_id, None)

    def accept(self, request_id: str, answer: Answer) -> None:
        """Takes an answer in, and wakes whoever waits for it."""
        with self._arrived:
            self._answers[request_id] = answer
            self._arrived.notify_all()

    def _request_handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class PutHandler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request_id = self.path.partition("?")[0].strip("/")
                try:
                    receiver.accept(request_id, TOO_LONG if len(body) > LONGEST_ANSWER_BYTES else json.loads(body))
                except ValueError:
                    self.send_error(400, "the answer is not JSON")
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing: the engine reports each answer as a stack event."""

        return PutHandler
