"""moto's objects as bytes, and back: what pickle cannot do by itself, each case by its name.

Large contents become blobs; locks are made anew; a reference to another service's object stays a reference. What is
not named here and does not pickle is an error, and never lost in silence.
"""

from __future__ import annotations

import io
import pickle
import threading
import types
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from moto.awslambda.models import EventSourceMapping
from moto.core.base_backend import BaseBackend
from moto.iam.models import AWSManagedPolicy
from moto.logs.models import LogStream
from moto.s3.models import FakeBucket, FakeKey
from moto.s3.utils import _VersionedKeyStore
from moto.ssm.models import ParameterDict

from local.state.blobs import Blob, BlobStore, blob_of
from local.state.errors import StateUnreadable
from model_packages.errors import OperatorError

BLOB_BYTES: Final = 64 * 1024
"""Contents of this size and more lie in files of their own."""

Reference: TypeAlias = tuple[Any, ...]
Find: TypeAlias = Callable[[Reference], Any]


PRIVATE_KEYS: Final = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
PUBLIC_KEYS: Final = (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)
"""What KMS and Cognito hold."""

_PRIVATE_FORM: Final = (
    serialization.Encoding.DER,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
_PUBLIC_FORM: Final = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class NotPicklable(OperatorError):
    """A service of moto's holds something that cannot be kept."""

    def __init__(self, row: str, *, reason: str) -> None:
        super().__init__(f"the local cloud cannot keep {row}: {reason}; this is a defect of Flyball, please report it")


@dataclass(slots=True)
class Pickled:
    """The bytes of an object, and the contents that they refer to."""

    content: bytes
    blobs: frozenset[Blob] = frozenset()
    contents: Mapping[Blob, bytes | FakeKey] = field(default_factory=dict)
    """Those of the blobs that may not be on disk yet. An object of S3 stands for its content."""


@dataclass(frozen=True, slots=True)
class _Body:
    """Stands for the content of an S3 object that is about to become a file."""

    blob: Blob


class StoredBody:
    """What an S3 object reads its content from: a file that is opened for each reading. It is never written again."""

    def __init__(self, blob: Blob, blobs: BlobStore) -> None:
        self.blob, self._blobs = blob, blobs
        self._position = 0

    def seek(self, position: int, whence: int = io.SEEK_SET) -> int:
        """Where the next reading begins."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.blob.size_bytes}[whence]
        self._position = max(0, origin + position)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """That many bytes from the position on, or all."""
        with self._blobs.path(self.blob).open("rb") as file:
            file.seek(self._position)
            content = file.read(size)
        self._position += len(content)
        return content

    def close(self) -> None:
        """Nothing is open between two readings."""


def dump(row: str, value: Any, *, home: str) -> Pickled:
    """`value` as bytes; `home` is the service that it belongs to, and `row` names it in an error.

    Raises: NotPicklable.
    """
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, home)
    try:
        pickler.dump(value)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise NotPicklable(row, reason=str(error)) from error
    return Pickled(buffer.getvalue(), frozenset(pickler.blobs), pickler.contents)


def load(row: str, content: bytes, *, blobs: BlobStore, find: Find) -> Any:
    """The value; `find` resolves the references to what is not in the row.

    Raises: StateUnreadable if a content is missing, or a class is not there any more.
    """
    try:
        return _Unpickler(io.BytesIO(content), blobs, find).load()
    except (pickle.UnpicklingError, AttributeError, ImportError, LookupError, EOFError, TypeError) as error:
        raise StateUnreadable(f"{row}: {error!r}") from error


class _Pickler(pickle.Pickler):
    """Looks at each object before pickle does."""

    def __init__(self, file: io.BytesIO, home: str) -> None:
        super().__init__(file, protocol=5)
        self.blobs: set[Blob] = set()
        self.contents: dict[Blob, bytes | FakeKey] = {}
        self._home = home

    def persistent_id(self, obj: Any) -> Reference | None:
        """References to what lies elsewhere."""
        kind = type(obj)
        if kind is bytes:
            return self._blob(obj) if len(obj) >= BLOB_BYTES else None
        if kind is StoredBody or kind is _Body:
            self.blobs.add(obj.blob)
            return ("body", obj.blob.digest, obj.blob.size_bytes)
        if kind is AWSManagedPolicy:
            return ("aws policy", obj.account_id, obj.partition, obj.arn)
        if kind is EventSourceMapping and self._home != "awslambda":
            return ("event source mapping", obj.account_id, obj.region, obj.uuid)
        if isinstance(obj, BaseBackend):
            return ("backend", service_of(obj), obj.account_id, obj.region_name)
        return None

    def reducer_override(self, obj: Any) -> Any:
        """How objects are taken apart that pickle would get wrong."""
        reduce = _REDUCERS.get(type(obj))
        if reduce is not None:
            return reduce(self, obj)
        if isinstance(obj, PRIVATE_KEYS):
            return (_private_key, (obj.private_bytes(*_PRIVATE_FORM),))
        if isinstance(obj, PUBLIC_KEYS):
            return (_public_key, (obj.public_bytes(*_PUBLIC_FORM),))
        return NotImplemented

    def _blob(self, content: bytes) -> Reference:
        blob = _known_blob(content)
        self.blobs.add(blob)
        self.contents[blob] = content
        return ("blob", blob.digest, blob.size_bytes)

    def object_of_s3(self, key: FakeKey) -> tuple[Any, ...]:
        """An S3 object without its lock, and with its content as a blob where that is large."""
        state = {name: value for name, value in vars(key).items() if name != "lock"}
        if not isinstance(state["_value_buffer"], StoredBody):
            state["_value_buffer"] = self._body(key)
        return (_new, (FakeKey,), state, None, None, _set_key)

    def _body(self, key: FakeKey) -> io.BytesIO | _Body:
        if key.contentsize < BLOB_BYTES or key.disposed:
            return io.BytesIO(b"" if key.disposed else key.value)
        blob = blob_of(key.value)
        self.contents[blob] = key
        return _Body(blob)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, blobs: BlobStore, find: Find) -> None:
        super().__init__(file)
        self._blobs, self._find = blobs, find

    def persistent_load(self, reference: Reference) -> Any:
        """What a reference of the pickler's stands for."""
        match reference:
            case ("blob", digest, size_bytes):
                return self._blobs.read(Blob(digest, size_bytes))
            case ("body", digest, size_bytes):
                blob = Blob(digest, size_bytes)
                self._blobs.check(blob)
                return StoredBody(blob, self._blobs)
            case _:
                return self._find(reference)


_KNOWN_CONTENTS: dict[int, tuple[bytes, Blob]] = {}
"""The blobs of large contents that were seen last, by identity: 13 MB are not read again for each commit."""
_KNOWN_LIMIT: Final = 64


def _known_blob(content: bytes) -> Blob:
    known = _KNOWN_CONTENTS.get(id(content))
    if known is not None and known[0] is content:
        return known[1]
    blob = blob_of(content)
    while len(_KNOWN_CONTENTS) >= _KNOWN_LIMIT:
        _KNOWN_CONTENTS.pop(next(iter(_KNOWN_CONTENTS)), None)
    _KNOWN_CONTENTS[id(content)] = (content, blob)
    return blob


def service_of(backend: BaseBackend) -> str:
    """The service that a backend belongs to, by the name of moto's package."""
    return type(backend).__module__.split(".")[1]


def _new(kind: Any) -> Any:
    return kind.__new__(kind)


def _private_key(der: bytes) -> Any:
    return serialization.load_der_private_key(der, password=None)


def _public_key(der: bytes) -> Any:
    """cryptography's own function, which pickle cannot find by its name."""
    return serialization.load_der_public_key(der)


def _set_key(key: FakeKey, state: dict[str, Any]) -> None:
    vars(key).update(state)
    key.lock = threading.Lock()


def _without(**replaced: Callable[[], Any]) -> Callable[[_Pickler, Any], tuple[Any, ...]]:
    """Takes an object apart with other values for some of its attributes: they lie in rows of their own."""

    def reduce(_pickler: _Pickler, obj: Any) -> tuple[Any, ...]:
        state = {**vars(obj), **{name: make() for name, make in replaced.items()}}
        return (_new, (type(obj),), state)

    return reduce


def _weak_values(_pickler: _Pickler, obj: weakref.WeakValueDictionary[Any, Any]) -> tuple[Any, ...]:
    return (weakref.WeakValueDictionary, (dict(obj),))


def _default_dict(_pickler: _Pickler, obj: defaultdict[Any, Any]) -> tuple[Any, ...]:
    """A factory that is a nameless function of moto's is known by where that function stands."""
    factory: Any = obj.default_factory
    if isinstance(factory, types.FunctionType) and not factory.__qualname__.isidentifier():
        factory = f"{factory.__module__}.{factory.__qualname__}"
        if factory not in FACTORIES:
            raise pickle.PicklingError(f"a defaultdict made by {factory}")
    state = getattr(obj, "__dict__", None) or None
    return (_new_default_dict, (type(obj), factory), state, None, iter(obj.items()))


def _new_default_dict(kind: type[defaultdict[Any, Any]], factory: Any) -> defaultdict[Any, Any]:
    made = kind.__new__(kind)
    made.default_factory = FACTORIES[factory] if isinstance(factory, str) else factory
    return made


def _texts() -> defaultdict[str, str]:
    return defaultdict(str)


FACTORIES: Final[Mapping[str, Callable[[], Any]]] = {
    "moto.awslambda.models.LambdaStorage.__init__.<locals>.<lambda>": dict,
    "moto.ssm.models.SimpleSystemManagerBackend.__init__.<locals>.<lambda>": _texts,
}
"""What the nameless factories of moto's make."""

_REDUCERS: Final[Mapping[type[Any], Callable[[Any, Any], tuple[Any, ...]]]] = {
    FakeKey: _Pickler.object_of_s3,
    FakeBucket: _without(keys=_VersionedKeyStore),
    LogStream: _without(events=list),
    defaultdict: _default_dict,
    ParameterDict: _default_dict,
    weakref.WeakValueDictionary: _weak_values,
    type(threading.Lock()): lambda _pickler, _lock: (threading.Lock, ()),
    type(threading.RLock()): lambda _pickler, _lock: (threading.RLock, ()),
    threading.Condition: lambda _pickler, _condition: (threading.Condition, ()),
    threading.Event: lambda _pickler, _event: (threading.Event, ()),
}
