"""One model's API behind a proxy integration: which path and method does what, and the predict use case.

Everything with a side effect is handed in: the endpoint, the ids, the clock, the telemetry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from functions.gateway.endpoint import Endpoint, Invocation
from functions.gateway.payloads import CheckedRequest, Payloads
from functions.gateway.telemetry import RequestRecord, Telemetry
from functions.shared.problems import INFERENCE_ID_HEADER, problem_answer, status_of
from functions.shared.proxy import JSON_MEDIA_TYPE, ProxyAnswer, ProxyEvent, answer, read_json_body
from model_packages.errors import MethodNotAllowed, UnknownPath

Handler = Callable[[ProxyEvent, RequestRecord], ProxyAnswer]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gateway:
    """Answers proxy events of `/models/<name>/{proxy+}`; never raises."""

    package: str
    payloads: Payloads
    endpoint: Endpoint
    telemetry: Telemetry
    maximum_body_bytes: int
    make_id: Callable[[], str]
    clock_seconds: Callable[[], float]

    def _handlers(self) -> Mapping[str, Mapping[str, Handler]]:
        """What is below `/models/<name>/`: path, then method."""
        return {"predict": {"POST": self._predict}}

    def handle(self, event: ProxyEvent) -> ProxyAnswer:
        """The answer to one request; every error becomes a problem document here."""
        started = self.clock_seconds()
        record = RequestRecord(inference_id=self.make_id())
        try:
            result = self._route(event)(event, record)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever it was is recorded, and the caller is answered
            record.error, record.status = error, status_of(error)
            result = problem_answer(error, inference_id=record.inference_id)
        record.status = result["statusCode"]
        record.overhead_ms = self._since(started) - (record.model_ms or 0.0)
        self.telemetry.record(record)
        return result

    def _route(self, event: ProxyEvent) -> Handler:
        path: str = (event.get("pathParameters") or {}).get("proxy", "")
        handlers = self._handlers()
        methods = handlers.get(path)
        if methods is None:
            prefix = f"/models/{self.package}/"
            raise UnknownPath(path=prefix + path, known=[prefix + known for known in handlers])
        method: str = event["httpMethod"]
        if method not in methods:
            raise MethodNotAllowed(method=method, allowed=sorted(methods))
        return methods[method]

    def _predict(self, event: ProxyEvent, record: RequestRecord) -> ProxyAnswer:
        body = read_json_body(event, limit_bytes=self.maximum_body_bytes)
        request = self.payloads.check_request(body)
        record.rows = request.rows
        invocation = self._invoke(body, record)
        record.version, record.variant = invocation.version, invocation.variant
        return self._answer(request, invocation, record.inference_id)

    def _invoke(self, body: bytes, record: RequestRecord) -> Invocation:
        started = self.clock_seconds()
        try:
            return self.endpoint.invoke(body, inference_id=record.inference_id)
        finally:
            record.model_ms = self._since(started)

    def _answer(self, request: CheckedRequest, invocation: Invocation, inference_id: str) -> ProxyAnswer:
        predictions = self.payloads.parse_answer(invocation.content, rows=request.rows)
        document = {
            **({"predictions": predictions} if request.is_batch else {"prediction": predictions[0]}),
            "model": {"name": self.package, "version": invocation.version, "variant": invocation.variant},
            "inference_id": inference_id,
        }
        headers = {INFERENCE_ID_HEADER: inference_id}
        return answer(200, to_json(document).decode(), media_type=JSON_MEDIA_TYPE, headers=headers)

    def _since(self, started: float) -> float:
        """Milliseconds, to the microsecond."""
        return round((self.clock_seconds() - started) * 1000, 3)
