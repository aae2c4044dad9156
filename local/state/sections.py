"""Which rows a service's state is cut into, so that a change costs what it is large and not what all is.

A backend's own row has everything but what grows without end: each object of S3 and each few hundred log lines have
a row of their own. A stamp says cheaply whether a row can have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from moto.backends import get_backend
from moto.core.base_backend import BackendDict, BaseBackend
from moto.iam.models import AWSManagedPolicy, IAMBackend
from moto.logs.models import LogEvent, LogStream
from moto.s3.models import s3_backends

from local.state.pickling import Reference, service_of

LINES_A_ROW: Final = 256


@dataclass(frozen=True, slots=True, order=True)
class Home:
    """One of moto's backends: a service in an account and region (or partition, where it has no regions)."""

    service: str
    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.service}/{self.account}/{self.region}"

    @classmethod
    def of(cls, backend: BaseBackend) -> Home:
        """Where a backend stands."""
        return cls(service_of(backend), backend.account_id, backend.region_name)

    @classmethod
    def named(cls, name: str) -> Home:
        """The home in a row's name."""
        service, account, region = name.partition("#")[0].split("/")
        return cls(service, account, region)

    @property
    def backend(self) -> BaseBackend:
        """moto's object; made where it is not there yet."""
        backends: BackendDict[BaseBackend] = get_backend(self.service)  # type: ignore[call-overload]
        return backends[self.account][self.region]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a backend that has a row of its own. The same stamp means the same content."""

    name: str
    stamp: Hashable
    value: Callable[[], Any]


Cut: TypeAlias = Callable[[Any], Iterator[Section]]
Join: TypeAlias = Callable[[Any, Mapping[str, Any]], None]


def row_name(home: Home, section: str = "") -> str:
    """The name of a backend's own row, or of one of its sections'."""
    return f"{home}#{section}" if section else str(home)


def state_of(backend: BaseBackend) -> dict[str, Any]:
    """What a backend's own row has."""
    state = dict(vars(backend))
    if isinstance(backend, IAMBackend):  # AWS's own policies, 4 MB of them, come with moto
        del state["aws_managed_policies"]
        state["managed_policies"] = _customers(backend)
    return state


def restore_state(backend: BaseBackend, state: Mapping[str, Any]) -> None:
    """Make a backend what `state_of` saw, in place: others hold on to the object itself."""
    given = vars(backend).copy()
    vars(backend).clear()
    vars(backend).update(state)
    if isinstance(backend, IAMBackend):
        backend.aws_managed_policies = given["aws_managed_policies"]
        backend.managed_policies = {policy.arn: policy for policy in backend.aws_managed_policies} | dict(
            backend.managed_policies
        )
        _count_attachments(backend)


def sections_of(backend: BaseBackend) -> Iterator[Section]:
    """The sections that a backend has now."""
    cut = _CUTS.get(service_of(backend))
    return iter(()) if cut is None else cut(backend)


def section_of_object(backend: Any, *, bucket: str, key: str) -> Section | None:
    """The section of one S3 object; None where there is none of that name."""
    known = backend.buckets.get(bucket)
    versions = None if known is None else known.keys.getlist(key)
    return _s3_section(bucket, key, versions) if versions else None


def join_sections(backend: BaseBackend, values: Mapping[str, Any]) -> None:
    """Put the sections, by name, back into a backend."""
    join = _JOINS.get(service_of(backend))
    if join is not None:
        join(backend, values)


def s3_object(*, bucket: str, key: str) -> str:
    """The section of an S3 object, all its versions included."""
    return f"{bucket}/{key}"


def find_reference(reference: Reference) -> Any:
    """What a row refers to outside itself.

    Raises: LookupError if it is not there.
    """
    match reference:
        case ("backend", service, account, region):
            return Home(service, account, region).backend
        case ("event source mapping", account, region, identifier):
            functions: Any = Home("awslambda", account, region).backend
            return functions._event_source_mappings[identifier]
        case ("aws policy", account, partition, arn):
            policies: Any = Home("iam", account, partition).backend
            return policies.managed_policies[arn]
        case _:
            raise LookupError(f"nothing is known of {reference}")


def _customers(backend: IAMBackend) -> dict[str, Any]:
    return {arn: policy for arn, policy in backend.managed_policies.items() if not isinstance(policy, AWSManagedPolicy)}


def _count_attachments(backend: IAMBackend) -> None:
    for policy in backend.aws_managed_policies:
        policy.attachment_count = 0
    holders: Iterable[Any] = (*backend.roles.values(), *backend.users.values(), *backend.groups.values())
    for holder in holders:
        for policy in holder.managed_policies.values():
            if isinstance(policy, AWSManagedPolicy):
                policy.attachment_count += 1


def _cut_s3(backend: Any) -> Iterator[Section]:
    for bucket in list(backend.buckets.values()):
        for key, versions in list(bucket.keys._iterlists()):
            yield _s3_section(bucket.name, key, versions)


def _s3_section(bucket: str, key: str, versions: list[Any]) -> Section:
    stamp = tuple((version.version_id, version.last_modified) for version in versions)
    return Section(s3_object(bucket=bucket, key=key), stamp, lambda: versions)


def _join_s3(backend: Any, values: Mapping[str, Any]) -> None:
    for name, versions in values.items():
        bucket, _, key = name.partition("/")
        backend.buckets[bucket].keys.setlist(key, versions)
    for bucket in backend.buckets.values():
        s3_backends.bucket_accounts[bucket.name] = (backend.partition, backend.account_id)


def _cut_logs(backend: Any) -> Iterator[Section]:
    for group in list(backend.groups.values()):
        for stream in list(group.streams.values()):
            events = stream.events
            for start in range(0, len(events), LINES_A_ROW):
                end = min(start + LINES_A_ROW, len(events))
                name = f"{_incarnation(stream)}@{start // LINES_A_ROW:08d}"
                yield Section(name, end, partial(_lines, events, start, end))


def _join_logs(backend: Any, values: Mapping[str, Any]) -> None:
    lines: dict[str, list[LogEvent]] = {}
    for name in sorted(values):
        lines.setdefault(name.rpartition("@")[0], []).extend(map(_event, values[name]))
    for group in backend.groups.values():
        for stream in group.streams.values():
            stream.events = lines.get(_incarnation(stream), [])


def _incarnation(stream: LogStream) -> str:
    """A stream that was deleted and made again is another one."""
    return f"{stream.arn}@{stream.creation_time.timestamp()}"


def _lines(events: list[LogEvent], start: int, end: int) -> list[tuple[int, int, int, str]]:
    return [_fields(event) for event in events[start:end]]


def _fields(event: LogEvent) -> tuple[int, int, int, str]:
    return (event.event_id, event.ingestion_time, event.timestamp, event.message)


def _event(fields: tuple[int, int, int, str]) -> LogEvent:
    event = LogEvent(fields[1], {"timestamp": fields[2], "message": fields[3]})
    event.event_id = fields[0]
    LogEvent._event_id = max(LogEvent._event_id, fields[0] + 1)
    return event


_CUTS: Final[Mapping[str, Cut]] = {"s3": _cut_s3, "logs": _cut_logs}
_JOINS: Final[Mapping[str, Join]] = {"s3": _join_s3, "logs": _join_logs}
