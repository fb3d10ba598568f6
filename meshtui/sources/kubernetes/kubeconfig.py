"""Reads kubeconfig files within limits, merges them as kubectl does, and finds the chosen context."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meshtui.model.errors import ConfigError
from meshtui.model.redact import redact
from meshtui.sources.kubernetes.interrupt import read_file


class Files:
    """The kubeconfig's files. The content of a pipe (``<(...)``, a FIFO) can be read only once, and is kept."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = [str(Path(path).expanduser()) for path in paths if path]
        self._kept: dict[str, bytes] = {}

    @property
    def found(self) -> bool:
        """Whether any of the files exists."""
        return any(_is_there(path) for path in self.paths)

    def merged(self) -> Any:
        """All files merged. Raises OSError for a file that can't be read, and the exceptions of the YAML reader."""
        import yaml
        from kubernetes.config import kube_config

        merger = kube_config.KubeConfigMerger("")
        for path in filter(_is_there, self.paths):
            content = yaml.load(self._read(path), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (a safe one)
            if content is None:
                continue
            if not isinstance(content, Mapping):
                raise kube_config.ConfigException(f"{path} holds no mapping")
            _merge(merger, kube_config.ConfigNode, path, dict(content))
        if merger.config is None:
            raise kube_config.ConfigException("there is nothing in it")
        named = (str(content.get("current-context") or "") for content in merger.config_files.values())
        merger.config.value["current-context"] = next((name for name in named if name), "")  # the first wins, as in kubectl
        return merger.config

    def _read(self, path: str) -> bytes:
        if path in self._kept:
            return self._kept[path]
        content = read_file(path)
        if not Path(path).is_file():
            self._kept[path] = content
        return content


def _merge(merger: Any, node: Any, path: str, content: dict[str, Any]) -> None:
    """Add one file to the merged one. Of entries with the same name, the first stays."""
    kinds = ("clusters", "contexts", "users")
    if merger.config_merged is None:
        merger.config_merged = node(path, {**content, **{kind: [] for kind in kinds}}, path)
    known = merger.config_merged.value
    for kind in kinds:
        names = {item.value["name"] for item in known[kind]}
        for item in content.get(kind) or []:
            if item["name"] not in names:
                names.add(item["name"])
                known[kind].append(node(f"{path}/{item['name']}", item, path))
    merger.config_files[path] = content


def _is_there(path: str) -> bool:
    """Whether a path exists. If that can't be determined, it counts as existing, so that reading it shows the error."""
    try:
        os.stat(path)  # noqa: PTH116  (a path with a zero byte in it is none, and is said so)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True


def chosen_context(loaded: Any, wanted: str) -> dict[str, Any]:
    """The context with a name, or the current one. Raises ConfigError."""
    contexts = [node.value for node in loaded["contexts"]]
    current = loaded.value["current-context"]
    active = next((context for context in contexts if context["name"] == current), None)
    if current and active is None:
        raise ConfigError(f"the kubeconfig's current context {current!r} isn't in it", "choose one with --context")
    if not wanted:
        if active is None:
            raise ConfigError("the kubeconfig has no current context", "choose one with --context")
        return dict(active)
    for context in contexts:
        if context["name"] == wanted:
            return dict(context)
    known = ", ".join(sorted(context["name"] for context in contexts)) or "none"
    raise ConfigError(f"no context {wanted!r} in the kubeconfig", f"known contexts: {known}")


def without_content(error: Exception) -> str:
    """An error in one line, without the excerpt of the file that a YAML reader quotes, which may contain a secret."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark is not None else str(error)
    return redact(" ".join(where.split()))
