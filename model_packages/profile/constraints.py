"""What is expected of one field: learnt from the baseline's rows, and overridden by package.toml's `monitor.fields`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from model_packages.errors import PackageError, PackageProblem

if TYPE_CHECKING:
    from model_packages.contract import Monitor, MonitoredField

InferredType = Literal["Integral", "Fractional", "String", "Unknown"]
"""As Model Monitor calls them; a boolean is a String of two categories there, a tensor is Unknown."""

RANGED_KINDS = ("numeric", "integer", "tensor", "image")
ANY_KIND = ("watch", "tolerance", "completeness")


@dataclass(frozen=True, slots=True)
class Constraints:
    """What one field's values have to be. None is no limit; bounds are inclusive."""

    inferred_type: InferredType
    completeness: float = 1.0
    """The least share of rows with a value."""
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    """Any other is unknown; empty where the field has no categories."""
    uniqueness: float | None = None
    """The least share of distinct values, where the baseline's values (nearly) all differ."""
    watch: bool = True
    """Whether a change of the field is drift."""
    tolerance: float | None = None
    """A change of the field that does not matter, in place of monitor.tolerance."""

    def overridden(self, override: MonitoredField) -> Self:
        """With what the package states in place of what was learnt."""
        return replace(self, **override.model_dump(exclude_unset=True, exclude_none=True))

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None and value != ()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        parts: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        return cls(**parts)


class Overridable(Protocol):
    """A field that package.toml may state something about: a fields.FieldSpec or a FieldProfile."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def categories(self) -> tuple[str, ...]: ...


def check_overrides(package: str, monitor: Monitor, fields: Sequence[Overridable]) -> None:
    """Whether `monitor.fields` fits the fields of Request and Response.

    Raises: PackageError that names each field which is not there, and each statement that its field cannot have.
    """
    known = sorted({field.name for field in fields})
    problems: list[PackageProblem] = []
    for name, override in monitor.fields.items():
        if name not in known:
            problems.append(_problem(package, name, found="no such field", allowed=", ".join(known)))
        for field in fields:
            if field.name == name:
                problems += _problems(package, field, override)
    if problems:
        raise PackageError(list(dict.fromkeys(problems)))


def _problems(package: str, field: Overridable, override: MonitoredField) -> Iterator[PackageProblem]:
    allowed = [*ANY_KIND, *(["minimum", "maximum"] if field.kind in RANGED_KINDS else [])]
    allowed += ["categories"] if field.kind == "category" else []
    for statement in override.model_dump(exclude_none=True, exclude_unset=True):
        if statement not in allowed:
            found = f"a statement that no {field.kind} field has"
            yield _problem(package, f"{field.name}.{statement}", found=found, allowed=", ".join(allowed))
    if override.minimum is not None and override.maximum is not None and override.minimum > override.maximum:
        found = f"{override.minimum}, above the maximum of {override.maximum}"
        yield _problem(package, f"{field.name}.minimum", found=found, allowed="the maximum or less")
    unknown = set(override.categories or ()) - set(field.categories)
    if unknown and field.kind == "category":
        found = ", ".join(sorted(unknown))
        yield _problem(package, f"{field.name}.categories", found=found, allowed=", ".join(field.categories))


def _problem(package: str, key: str, *, found: str, allowed: str) -> PackageProblem:
    return PackageProblem(file=f"{package}/package.toml", key=f"monitor.fields.{key}", found=found, allowed=allowed)
