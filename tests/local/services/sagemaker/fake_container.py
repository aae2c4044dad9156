"""A model server of a few lines, under the contract of a SageMaker container. It does what model/mode.txt says."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(os.environ["FLYBALL_ML_ROOT"])
MODE = (ROOT / "model" / "mode.txt").read_text()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.reply(503 if MODE == "never-ready" or (ROOT / "sick").exists() else 200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        request = json.loads(body or b"{}")
        print(f"invoked with {len(body)} bytes", flush=True)
        if "sleep" in request:
            threading.Event().wait(request["sleep"])
        if request.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        shown = {"mode": MODE, "headers": dict(self.headers), "body": request, "environment": dict(os.environ)}
        self.reply(500 if MODE == "failing" else request.get("status", 200), json.dumps(shown).encode())

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "model-version=7")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Only what the handler prints is logged."""


if MODE == "broken":
    sys.exit("ValueError: the weights do not fit")
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("serving", sys.argv[1:], flush=True)
ThreadingHTTPServer.request_queue_size = 64
ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
