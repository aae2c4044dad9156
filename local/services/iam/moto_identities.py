"""Roles and users as moto keeps them, with all policies that bind them. Nothing is changed.

A role's documents are read at each question, so a change takes effect at once; the same text is parsed only once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from moto.iam.models import iam_backends

from local.services.iam.moto_resources import PARTITION, backend_of
from local.services.iam.policies import Policy, PolicyKind, read_policy


class MotoIdentities:
    """The roles, users and access keys of one account."""

    def __init__(self, *, account: str) -> None:
        self._account = account

    def role(self, arn: str) -> Any:
        """moto's role, or None."""
        return next((role for role in self._backend.roles.values() if role.arn == arn), None)

    def user(self, name: str) -> Any:
        """moto's user, or None."""
        return self._backend.users.get(name)

    def secret_of(self, access_key: str) -> tuple[str, str] | None:
        """The user who owns a long-term access key, and its secret; None where the key is nobody's or not active."""
        for user in self._backend.users.values():
            for key in user.access_keys:
                if key.access_key_id == access_key and key.status == "Active":
                    return user.name, key.secret_access_key
        return None

    def policies_of(self, identity: Any) -> tuple[Policy, ...]:
        """Inline and attached policies of a role or a user, and of the user's groups."""
        return tuple(self._policies(identity))

    def boundary_of(self, identity: Any) -> Policy | None:
        """The permissions boundary, where one is set; a policy that allows nothing where the one named is gone."""
        arn = getattr(identity, "permissions_boundary_arn", None)
        if not arn:
            return None
        managed = self._backend.managed_policies.get(arn)
        if managed is None:
            return Policy((), arn)
        return read_policy(_document_of(managed), name=arn, kind=PolicyKind.BOUNDARY)

    def document_of(self, arn: str) -> str | None:
        """A managed policy's default version."""
        managed = self._backend.managed_policies.get(arn)
        return None if managed is None else _document_of(managed)

    def documents_of(self, identity: Any) -> dict[str, Any]:
        """The policies of a role or a user as they were written, by name."""
        inline = {name: json.loads(document) for name, document in list(identity.policies.items())}
        managed = list(identity.managed_policies.values())
        return {**inline, **{policy.arn: json.loads(_document_of(policy)) for policy in managed}}

    def roles(self) -> Iterator[Any]:
        """Every role."""
        yield from list(self._backend.roles.values())

    @property
    def _backend(self) -> Any:
        return backend_of(iam_backends, self._account, PARTITION)

    def _policies(self, identity: Any) -> Iterator[Policy]:
        for name, document in list(identity.policies.items()):
            yield read_policy(document, name=name)
        for managed in list(identity.managed_policies.values()):
            yield read_policy(_document_of(managed), name=managed.arn)
        for group in self._groups_of(identity):
            yield from self._policies(group)

    def _groups_of(self, identity: Any) -> list[Any]:
        return [group for group in self._backend.groups.values() if identity in group.users]


def _document_of(managed: Any) -> str:
    return next(str(version.document) for version in managed.versions if version.is_default)
