"""YAML as Kubernetes reads it."""

from __future__ import annotations

from typing import Any

import yaml

from meshtui.model.errors import ManifestError


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]  # chosen at run time
    """YAML as Kubernetes reads it: timestamps stay strings."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML reads it from the class)
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def yaml_documents(file: str, text: bytes) -> list[Any]:
    """All documents of a YAML text as plain data with JSON's keys. Raises ManifestError with file, line and reason."""
    try:
        return [_string_keys(document) for document in yaml.load_all(text, Loader=_Loader)]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ManifestError(f"{file}:{line}: {error.problem or 'not YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ManifestError(f"{file}: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ManifestError(f"{file}: nested too deeply") from error


def _string_keys(value: Any, depth: int = 0) -> Any:
    """Keys as JSON has them: ``8080:`` and ``on:`` are strings there."""
    if depth > 100:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {_key(key): _string_keys(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_string_keys(item, depth + 1) for item in value]
    return value


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return key if isinstance(key, str) else str(key)
