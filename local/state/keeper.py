"""Keeps moto's state on disk: restores it at the start, and after each change writes what the call has touched.

A caller hears of a change once it is kept. Calls that end at the same time are written together. What changes
outside of calls (log lines, the status of an endpoint) is written within a second.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from moto.core.base_backend import BaseBackend
from moto.s3.models import FakeKey

from local.api_calls import ApiCall, Unknown
from local.state.blobs import Blob
from local.state.effects import Effect, effect_of, s3_object_of, waits_for_others
from local.state.errors import StateNotWritten, StateUnreadable
from local.state.pickling import NotPicklable, Pickled, StoredBody, dump, load, service_of
from local.state.sections import (
    Home,
    Section,
    find_reference,
    join_sections,
    restore_state,
    row_name,
    s3_object,
    section_of_object,
    sections_of,
    state_of,
)
from local.state.store import Row, StateStore

log = logging.getLogger(__name__)

LAZY_SECONDS: Final = 1.0
TURN_SECONDS: Final = 5.0
"""A call that waits longer for its turn goes on without it: it may be what the other one waits for."""

LOOKS: Final = 10
"""How often a state is looked at again that changed meanwhile."""

Objects: TypeAlias = frozenset[tuple[str, str]]
Dirt: TypeAlias = dict[BaseBackend, Objects | None]
"""What has to be written: backends, and of S3 only these objects (bucket and key) or, with None, whatever changed."""


@dataclass(frozen=True, slots=True)
class Known:
    """What lies on disk under a row's name."""

    digest: bytes
    stamp: Hashable


@dataclass(slots=True)
class Snapshot:
    """Rows as they were at one moment."""

    rows: dict[str, tuple[Pickled, Hashable]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)


class Touched(threading.local):
    """The backends that the call of this thread has reached for; None while it makes none."""

    backends: set[BaseBackend] | None = None
    has_turn: bool = False


class Keeper:
    """Of all of moto in this process. `touched` has to be told of every backend that is reached for."""

    def __init__(self, store: StateStore, *, lazy_seconds: float = LAZY_SECONDS) -> None:
        self._store, self._lazy_seconds = store, lazy_seconds
        self._known: dict[str, Known] = {}
        self._seen: set[BaseBackend] = set()
        self._pending: Dirt = {}
        self._pending_lock = threading.Lock()
        self._writing = threading.Lock()
        self._turn = threading.Lock()
        self._thread = Touched()
        self._closing = threading.Event()
        self._keeps = False
        self._lazily = threading.Thread(target=self._keep_lazily, name="state", daemon=True)

    def touched(self, backend: BaseBackend) -> None:
        """Somebody reaches for a backend, perhaps to change it."""
        if _is_elsewhere(backend):
            return
        self._seen.add(backend)
        call = self._thread.backends
        if call is not None:
            call.add(backend)
        else:
            self._mark(dict.fromkeys([backend]))

    def restore(self) -> int:
        """Makes moto's state what was kept, and begins to keep it; the number of rows.

        Raises: StateUnreadable.
        """
        rows = {row.name: row for row in self._store.rows()}
        homes = sorted({Home.named(name) for name in rows}, key=_after_what_it_refers_to)
        with self._calling():
            for home in homes:
                self._restore_one(home, rows)
        self._keeps = True
        self._lazily.start()
        return len(rows)

    @contextmanager
    def call(self, call: ApiCall | Unknown) -> Iterator[None]:
        """Around a call that moto answers. When the block has ended, what the call changed is kept.

        Raises: StateNotWritten if the disk does not take it.
        """
        effect = effect_of(call)
        if effect is Effect.NONE:
            with self._calling():
                yield
            return
        dirt: Dirt = {}
        try:
            with self._calling() as backends, self._take_turn(call):
                yield
        finally:
            dirt = _dirt(call, backends)
            self._mark(dirt)
        if effect is Effect.DURABLE:
            self._commit(dirt)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around what a call waits for and which may need calls of its own: others have their turn meanwhile."""
        if not self._thread.has_turn:
            yield
            return
        self._give_turn()
        try:
            yield
        finally:
            self._thread.has_turn = self._turn.acquire(timeout=TURN_SECONDS)

    def commit_pending(self) -> None:
        """Write what has changed outside of calls, or could not be written before.

        Raises: StateNotWritten.
        """
        self._commit({})

    def commit_everything(self) -> None:
        """Write whatever has changed, anywhere.

        Raises: StateNotWritten.
        """
        self._commit(dict.fromkeys(list(self._seen)))

    def close(self) -> None:
        """Keep everything, and keep nothing from then on. What was never restored is left as it lies.

        Raises: StateNotWritten.
        """
        self.abandon()
        if self._keeps:
            self.commit_everything()

    def abandon(self) -> None:
        """Write nothing more by itself."""
        self._closing.set()
        if self._lazily.is_alive():
            self._lazily.join()

    def _restore_one(self, home: Home, rows: Mapping[str, Row]) -> None:
        name = row_name(home)
        if name not in rows:
            raise StateUnreadable(f"row {name} is missing")
        backend = home.backend
        restore_state(backend, self._load(rows[name]))
        prefix = row_name(home, "_")[:-1]
        sections = {key.removeprefix(prefix): row for key, row in rows.items() if key.startswith(prefix)}
        try:
            join_sections(backend, {key: self._load(row) for key, row in sections.items()})
        except LookupError as error:
            raise StateUnreadable(f"a row of {name} belongs to {error}, which is not there") from error
        self._known[name] = Known(_digest(rows[name].content), None)
        for section in sections_of(backend):
            if section.name in sections:
                self._known[prefix + section.name] = Known(_digest(sections[section.name].content), section.stamp)

    def _load(self, row: Row) -> Any:
        return load(row.name, row.content, blobs=self._store.blobs, find=find_reference)

    @contextmanager
    def _calling(self) -> Iterator[set[BaseBackend]]:
        """Collects what this thread reaches for."""
        before, self._thread.backends = self._thread.backends, set()
        try:
            yield self._thread.backends
        finally:
            self._thread.backends = before

    @contextmanager
    def _take_turn(self, call: ApiCall | Unknown | None = None) -> Iterator[None]:
        """One change at a time, so that none is written half."""
        if self._thread.has_turn or (call is not None and waits_for_others(call)):
            yield
            return
        self._thread.has_turn = self._turn.acquire(timeout=TURN_SECONDS)
        if not self._thread.has_turn:
            log.warning("%s goes on without its turn", call or "a snapshot")
        try:
            yield
        finally:
            if self._thread.has_turn:
                self._give_turn()

    def _give_turn(self) -> None:
        self._thread.has_turn = False
        self._turn.release()

    def _mark(self, dirt: Dirt) -> None:
        with self._pending_lock:
            _merge(self._pending, dirt)

    def _commit(self, dirt: Dirt) -> None:
        self._mark(dirt)
        with self._writing, self._calling():
            with self._pending_lock:
                if dirt and not dirt.keys() & self._pending.keys():
                    return  # somebody else has written it together with theirs
                taken, self._pending = self._pending, {}
            if not taken:
                return
            try:
                self._write(taken)
            except BaseException:
                self._mark(taken)
                raise

    def _write(self, dirt: Dirt) -> None:
        snapshot = self._snapshot(dirt)
        digests = {name: _digest(pickled.content) for name, (pickled, _stamp) in snapshot.rows.items()}
        changed = [name for name, digest in digests.items() if _digest_of(self._known.get(name)) != digest]
        kept: dict[FakeKey, Blob] = {}
        for name in changed:
            for blob, content in snapshot.rows[name][0].contents.items():
                self._store.blobs.put(blob, content if isinstance(content, bytes) else content.value)
                if isinstance(content, FakeKey):
                    kept[content] = blob
        if changed or snapshot.removed:
            self._store.write((_row(name, snapshot.rows[name][0]) for name in changed), removed=snapshot.removed)
        for name, digest in digests.items():
            self._known[name] = Known(digest, snapshot.rows[name][1])
        for name in snapshot.removed:
            self._known.pop(name, None)
        self._read_from_disk(kept)

    def _read_from_disk(self, kept: Mapping[FakeKey, Blob]) -> None:
        """An object that lies in a file need not lie in memory, too."""
        for key, blob in kept.items():
            with key.lock:
                former = key._value_buffer
                vars(key)["_value_buffer"] = StoredBody(blob, self._store.blobs)
            former.close()

    def _snapshot(self, dirt: Dirt) -> Snapshot:
        for _ in range(LOOKS):
            try:
                with self._take_turn():
                    return self._look(dirt)
            except RuntimeError as error:  # a dictionary changed its size: a thread that is in no call is at work
                last = error
        raise NotPicklable(", ".join(sorted(map(service_of, dirt))), reason=str(last))

    def _look(self, dirt: Dirt) -> Snapshot:
        snapshot = Snapshot()
        for backend, objects in dirt.items():
            home = Home.of(backend)
            if home.backend is not backend:
                raise NotPicklable(str(home), reason=f"{type(backend).__qualname__} is not the service's own backend")
            name = row_name(home)
            snapshot.rows[name] = (dump(name, state_of(backend), home=home.service), None)
            if objects is None:
                self._look_at_all(home, sections_of(backend), snapshot)
            else:
                self._look_at_objects(home, backend, objects, snapshot)
        return snapshot

    def _look_at_all(self, home: Home, sections: Iterable[Section], snapshot: Snapshot) -> None:
        there = set()
        for section in sections:
            name = row_name(home, section.name)
            there.add(name)
            known = self._known.get(name)
            if known is None or known.stamp != section.stamp:
                snapshot.rows[name] = (dump(name, section.value(), home=home.service), section.stamp)
        prefix = row_name(home, "_")[:-1]
        snapshot.removed |= {name for name in self._known if name.startswith(prefix)} - there

    def _look_at_objects(self, home: Home, backend: BaseBackend, objects: Objects, snapshot: Snapshot) -> None:
        for bucket, key in objects:
            name = row_name(home, s3_object(bucket=bucket, key=key))
            section = section_of_object(backend, bucket=bucket, key=key)
            if section is not None:
                snapshot.rows[name] = (dump(name, section.value(), home=home.service), section.stamp)
            elif name in self._known:
                snapshot.removed.add(name)

    def _keep_lazily(self) -> None:
        failing = False
        while not self._closing.wait(self._lazy_seconds):
            try:
                self.commit_pending()
                failing = False
            except (StateNotWritten, NotPicklable) as error:
                if not failing:
                    log.error("%s", error)  # noqa: TRY400 - the error says it all
                failing = True


@contextmanager
def opened_state(folder: Path) -> Iterator[tuple[StateStore, Keeper]]:
    """The state in a folder, for as long as the block lasts; in the end everything is kept.

    Raises: StateUnreadable, StateNotWritten.
    """
    store = StateStore(folder)
    try:
        store.discard_unused_blobs()
        keeper = Keeper(store)
        try:
            yield store, keeper
        finally:
            keeper.close()
    finally:
        store.close()


def _after_what_it_refers_to(home: Home) -> tuple[bool, Home]:
    """Queues and tables refer to Lambda's event source mappings."""
    return (home.service != "awslambda", home)


def _is_elsewhere(backend: BaseBackend) -> bool:
    """moto looks through every partition of AWS's for whoever signed a call; people here have but one."""
    return backend.region_name.startswith("aws-")


def _dirt(call: ApiCall | Unknown, backends: Iterable[BaseBackend]) -> Dirt:
    """What a call may have changed, of all that it looked at. Each looks at IAM, for who makes it."""
    changed = s3_object_of(call)
    objects = frozenset({changed}) if changed else None
    return {
        backend: objects if service_of(backend) == "s3" else None
        for backend in backends
        if call.service == "iam" or service_of(backend) != "iam"
    }


def _merge(into: Dirt, more: Dirt) -> None:
    for backend, objects in more.items():
        before = into.get(backend, frozenset())
        into[backend] = None if before is None or objects is None else before | objects


def _row(name: str, pickled: Pickled) -> Row:
    return Row(name, pickled.content, tuple(sorted(pickled.blobs)))


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _digest_of(known: Known | None) -> bytes | None:
    return None if known is None else known.digest
