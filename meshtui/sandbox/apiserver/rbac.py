"""Role-based access control with the stored Roles and Bindings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from meshtui.sandbox.apiserver.auth import User
from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.faults import Faults
from meshtui.sandbox.apiserver.kinds import BY_PLURAL
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.ports import Obj

_ANYBODY = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")


@dataclass(frozen=True, slots=True)
class Access:
    """One access. ``resource`` may have a subresource: ``pods/log``."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


class Authorizer:
    """Checks access."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def allows(self, user: User, access: Access) -> bool:
        """Whether any rule that is bound to the user grants the access."""
        if self._faults.is_forbidden(access.verb, access.resource):
            return False
        if user.is_admin or access.resource in _ANYBODY:
            return True
        if access.path:
            return access.verb == "get"
        return any(_grants(rule, access) for rule in self.rules(user, access.namespace))

    def demand(self, user: User, access: Access) -> None:
        """Raise ``ApiError`` 403 with Kubernetes' message unless the access is allowed."""
        if self.allows(user, access):
            return
        kind = BY_PLURAL.get(access.resource.partition("/")[0])
        qualified = kind.qualified if kind else access.resource
        subject = f'{qualified} "{access.name}"' if access.name else qualified
        where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
        message = (
            f'{subject} is forbidden: User "{user.name}" cannot {access.verb} resource "{access.resource}" '
            f'in API group "{access.group}" {where}'
        )
        details = {"name": access.name, "group": access.group, "kind": access.resource}
        raise ApiError(403, message, details={key: value for key, value in details.items() if value})

    def rules(self, user: User, namespace: str) -> Iterator[dict[str, Any]]:
        """Every rule that applies to a user, cluster-wide or in a namespace."""
        for binding in self._store.list("clusterrolebindings"):
            if _binds(binding, user, ""):
                yield from self._role_rules(binding, "")
        if namespace:
            for binding in self._store.list("rolebindings", namespace):
                if _binds(binding, user, namespace):
                    yield from self._role_rules(binding, namespace)

    def _role_rules(self, binding: Obj, namespace: str) -> list[dict[str, Any]]:
        ref = binding.get("roleRef") or {}
        is_cluster = ref.get("kind") == "ClusterRole"
        role = self._store.get("clusterroles" if is_cluster else "roles", None if is_cluster else namespace, ref.get("name", ""))
        return (role or {}).get("rules") or []


def _binds(binding: Obj, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or []:
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name in (user.name, "*"):
            return True
        if kind == "Group" and name in user.groups:
            return True
        account = f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
        if kind == "ServiceAccount" and account == user.name:
            return True
    return False


def _grants(rule: dict[str, Any], access: Access) -> bool:
    verbs, groups, resources = (rule.get(field) or [] for field in ("verbs", "apiGroups", "resources"))
    names = rule.get("resourceNames") or []
    subresource = access.resource.partition("/")[2]
    return (
        ("*" in verbs or access.verb in verbs)
        and ("*" in groups or access.group in groups)
        and ("*" in resources or access.resource in resources or (bool(subresource) and f"*/{subresource}" in resources))
        and (not names or access.name in names)
    )
