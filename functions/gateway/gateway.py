"""One model's API behind a proxy integration: which path and method does what, and the two use cases: a prediction is
asked for, and the truth about earlier ones is told.

Everything with a side effect is handed in: the endpoint, the ids, the clock, the telemetry, the feedback's store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from functions.gateway.callers import Callers
from functions.gateway.captures import Captures
from functions.gateway.endpoint import Endpoint, Invocation
from functions.gateway.feedback import Feedback
from functions.gateway.payloads import CheckedRequest, Payloads
from functions.gateway.telemetry import Operation, RequestRecord, Telemetry
from functions.shared.problems import INFERENCE_ID_HEADER, problem_answer
from functions.shared.proxy import JSON_MEDIA_TYPE, ProxyAnswer, ProxyEvent, answer, read_json_body, read_time_ms
from model_packages.errors import MethodNotAllowed, StoreUnavailable, UnknownPath

Handler = Callable[[ProxyEvent, RequestRecord], ProxyAnswer]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gateway:
    """Answers proxy events of `/models/<name>/{proxy+}`; never raises."""

    package: str
    payloads: Payloads
    endpoint: Endpoint
    telemetry: Telemetry
    feedback: Feedback
    maximum_body_bytes: int
    make_id: Callable[[int | None], str]
    """An id of a moment in milliseconds since 1970, or of now."""
    clock_seconds: Callable[[], float]
    captures: Captures | None = None
    """None where the endpoint captures, or nobody."""
    callers: Callers | None = None
    """None where nobody needs to tell callers apart."""

    def _handlers(self) -> Mapping[str, Mapping[str, Handler]]:
        """What is below `/models/<name>/`: path, then method."""
        return {"predict": {"POST": self._predict}, "feedback": {"POST": self._take_labels}}

    def handle(self, event: ProxyEvent) -> ProxyAnswer:
        """The answer to one request; every error becomes a problem document here."""
        started = self.clock_seconds()
        unix_ms = read_time_ms(event)
        record = RequestRecord(inference_id=self.make_id(unix_ms), unix_ms=unix_ms)
        try:
            result = self._route(event)(event, record)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever it was is recorded, and the caller is answered
            record.error = error
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
        caller = self.callers.word_of(event) if self.callers else None
        invocation = self._invoke(body, record, caller=caller)
        record.version, record.variant = invocation.version, invocation.variant
        self._capture(body, invocation, record, caller=caller)
        return self._answer(request, invocation, record.inference_id)

    def _invoke(self, body: bytes, record: RequestRecord, *, caller: str | None) -> Invocation:
        started = self.clock_seconds()
        try:
            return self.endpoint.invoke(body, inference_id=record.inference_id, caller=caller)
        finally:
            record.model_ms = self._since(started)

    def _capture(self, body: bytes, invocation: Invocation, record: RequestRecord, *, caller: str | None) -> None:
        """Before the answer is checked, because SageMaker captures an answer that breaks the contract too."""
        if self.captures is None:
            return
        try:
            self.captures.keep(body, invocation, inference_id=record.inference_id, caller=caller)
        except StoreUnavailable as error:
            record.capture_error = error  # the model has answered: the caller gets it

    def _take_labels(self, event: ProxyEvent, record: RequestRecord) -> ProxyAnswer:
        record.operation = Operation.FEEDBACK
        body = read_json_body(event, limit_bytes=self.maximum_body_bytes)
        record.rows = self.feedback.take(body, request_id=record.inference_id)
        return answer(202, to_json({"accepted": record.rows}).decode(), media_type=JSON_MEDIA_TYPE)

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
