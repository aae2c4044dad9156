"""moto's server application, hosted in this process: the state behind each AWS API that is not Flyball's own.

It has no port. The application is called in threads of its own with a WSGI environment, so nothing can reach it but
through the cloud port and its checks, and a call costs no second socket. Its service modules are loaded at first use.
moto checks no credentials and no permissions.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from moto.core.config import default_user_config
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local import moto_hooks
from local.api_calls import ApiRequest, identify
from local.api_errors import ApiResponse
from local.moto_hooks import CloudHooks, InvokeLambda
from local.services.lambda_function import Invocation, InvocationType
from local.state.keeper import Keeper

THREADS = 64
"""A call may wait for a Lambda function that makes calls itself, so a few threads are not enough."""

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class MotoHost:
    """Answers AWS API calls from moto's state: `keeper` restores and keeps it; without one it ends with the process."""

    def __init__(self, hooks: CloudHooks, *, keeper: Keeper | None = None) -> None:
        """Raises: StateUnreadable if what was kept cannot be restored."""
        self._keeper = keeper
        self._uninstall = moto_hooks.install(hooks if keeper is None else _kept(hooks, keeper))
        # Without them moto refuses to attach what exists in every AWS account.
        default_user_config["iam"]["load_aws_managed_policies"] = True
        if keeper is not None:
            keeper.restore()
        self._application: WsgiApplication = _Dispatcher(create_backend_app)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="moto")

    async def call(self, request: ApiRequest) -> ApiResponse:
        """Answer a request, without blocking the event loop, once what it changed is kept.

        Raises: StateNotWritten if the disk is full; an error inside moto as it is.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.call_blocking, request)

    def call_blocking(self, request: ApiRequest) -> ApiResponse:
        """The same in the caller's thread."""
        with self._keeper.call(identify(request)) if self._keeper else nullcontext():
            return self._answer(request)

    def _answer(self, request: ApiRequest) -> ApiResponse:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], None]:
            started[:] = [(status, headers)]
            return lambda _chunk: None

        chunks = self._application(wsgi_environment(request), start_response)
        body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        status, headers = started[0]
        return ApiResponse(int(status.split(" ")[0]), dict(headers), body)

    def close(self) -> None:
        """Give moto its own functions back. Calls that still run are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._uninstall()


class _Dispatcher(DomainDispatcherApplication):
    """moto's, which would look through its folders at each call for what it has found there before."""

    def __init__(self, create_app: Any) -> None:
        super().__init__(create_app)
        self._found: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._found:
            self._found[host] = super().get_backend_for_host(host)
        return self._found[host]


def _kept(hooks: CloudHooks, keeper: Keeper) -> CloudHooks:
    """The hooks, telling the keeper what is touched; while moto waits for a function, other calls have their turn."""

    def invoke(arn: str, payload: bytes, kind: InvocationType) -> Invocation:
        with keeper.waiting():
            return hooks.invoke_lambda(arn, payload, kind)

    wrapped: InvokeLambda = invoke
    return replace(hooks, invoke_lambda=wrapped, backend_touched=keeper.touched)


def wsgi_environment(request: ApiRequest) -> dict[str, Any]:
    """A request as WSGI (PEP 3333) and moto's own server would pass it on."""
    path, _, query = request.target.partition("?")
    host = request.headers.get("host", "127.0.0.1")
    name, _, port = host.partition(":")
    environment: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": request.target,
        "REQUEST_URI": request.target,
        "SERVER_NAME": name,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(request.body)),
    }
    return {**environment, **_header_variables(request)}


def _header_variables(request: ApiRequest) -> dict[str, Any]:
    """moto reads S3 metadata whose names have underscores under their own names: WSGI knows no difference."""
    kept = {
        name: value for name, value in request.headers.items() if name not in {"content-length", "transfer-encoding"}
    }
    preserved = {environ_key_for_header(name): name for name in kept if should_preserve_original_header_name(name)}
    variables = {
        environ_key_for_header(name): value
        for name, value in kept.items()
        if "_" not in name or should_preserve_original_header_name(name)
    }
    return {**variables, PRESERVED_HEADER_NAMES_ENVIRON_KEY: preserved}
