"""Where the project's files lie on this machine: one value that every command is handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Project:
    """A checkout of Flyball. Everything that is made lies below `root`, in folders that git ignores."""

    root: Path

    @property
    def packages(self) -> Path:
        """The model packages."""
        return self.root / "model_packages"

    @property
    def build(self) -> Path:
        """What synth and training make and reuse."""
        return self.root / "build"

    @property
    def assembly(self) -> Path:
        """What synth hands to whoever deploys."""
        return self.root / "cdk.out"

    @property
    def state(self) -> Path:
        """What the local cloud keeps: logs, certificate, the record of the running cloud."""
        return self.root / ".flyball"

    @property
    def kept(self) -> Path:
        """What the local cloud holds, for the next one that runs from here."""
        return self.state / "state"

    def version(self, package: str) -> Path:
        """The folder of a package's first trained version."""
        return self.build / "models" / package
