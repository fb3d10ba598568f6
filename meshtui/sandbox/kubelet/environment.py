"""A container's environment: its own variables, the image's, and those that name the pod's folder."""

from __future__ import annotations

import base64
import re

from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.ports import Image, Obj, PodPaths
from meshtui.sandbox.user import User, give_folder, open_folder

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
_REFERENCE = re.compile(r"\$(\$)?\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class ConfigError(Exception):
    """A variable refers to something that doesn't exist (the pod has CreateContainerConfigError)."""


def build(store: Store, pod: Obj, container: Obj, image: Image, paths: PodPaths, address: str) -> dict[str, str]:
    """All variables of a container's process. Raises ConfigError."""
    root = str(paths.root)
    env = {"PATH": PATH, "HOME": str(paths.root / "home"), "TMPDIR": str(paths.root / "home"), "LANG": "C.UTF-8"}
    env |= image.env
    namespace = pod["metadata"]["namespace"]
    for source in container.get("envFrom") or []:
        env |= _from(store, namespace, source)
    for variable in container.get("env") or []:
        value = _value(store, pod, variable, address)
        if value is not None:
            env[variable["name"]] = expand(value, env)
    return env | {
        "POD_NAME": pod["metadata"]["name"],
        "POD_NAMESPACE": namespace,
        "POD_IP": address,
        "HOSTNAME": pod["metadata"]["name"],
        "CURL_HOME": root,
        "MESHTUI_POD_ROOT": root,
    }


def expand(text: str, env: dict[str, str]) -> str:
    """Replace ``$(NAME)`` as Kubernetes does; ``$$(NAME)`` and unknown names stay."""

    def replace(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        return env.get(found[2], found[0])

    return _REFERENCE.sub(replace, text)


def command_of(container: Obj, image: Image, env: dict[str, str]) -> list[str]:
    """The command: the image's, or for a probe image the container's own."""
    if image.command is not None:
        return list(image.command)
    own = [*(container.get("command") or []), *(container.get("args") or [])]
    if not own:
        raise ConfigError("no command specified")
    return [expand(str(part), env) for part in own]


def _data(store: Store, plural: str, namespace: str, reference: Obj) -> dict[str, str] | None:
    """The values of a ConfigMap or Secret; None for a missing optional one."""
    name = reference.get("name", "")
    found = store.get(plural, namespace, name)
    if found is None:
        if reference.get("optional"):
            return None
        kind = "configmap" if plural == "configmaps" else "secret"
        raise ConfigError(f'{kind} "{name}" not found')
    data: dict[str, str] = found.get("data") or {}
    if plural == "secrets":
        return {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data.items()}
    return data


def _from(store: Store, namespace: str, source: Obj) -> dict[str, str]:
    prefix = source.get("prefix", "")
    for field, plural in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
        if field in source:
            data = _data(store, plural, namespace, source[field]) or {}
            return {f"{prefix}{key}": value for key, value in data.items()}
    return {}


def _value(store: Store, pod: Obj, variable: Obj, address: str) -> str | None:
    source = variable.get("valueFrom")
    if source is None:
        return str(variable.get("value", ""))
    for field, plural in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
        if field in source:
            reference = source[field]
            data = _data(store, plural, pod["metadata"]["namespace"], reference)
            if data is None or reference.get("key") not in data:
                if reference.get("optional"):
                    return None
                raise ConfigError(f"couldn't find key {reference.get('key')} in {plural[:-1]} {reference.get('name')}")
            return data[reference["key"]]
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"].get("fieldPath", ""), address)
    return None


def _field(pod: Obj, path: str, address: str) -> str:
    known = {"status.podIP": address, "status.podIPs": address, "status.hostIP": "127.0.0.1"}
    if path in known:
        return known[path]
    if found := re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path):
        return str((pod["metadata"].get(found[1]) or {}).get(found[2], ""))
    value: object = pod
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        raise ConfigError(f"fieldPath {path} has no value")
    return str(value)


def make_folders(paths: PodPaths, user: User | None) -> None:
    """Create the folders of a pod. Its processes can only read its network file; they own the rest."""
    open_folder(paths.root, user)
    for name in ("s", "home", "pg"):
        give_folder(paths.root / name, user)
