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
        return [_Plain(len(text)).of(document) for document in yaml.load_all(text, Loader=_Loader)]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ManifestError(f"{file}:{line}: {error.problem or 'not YAML'}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ManifestError(f"{file}: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ManifestError(f"{file}: nested too deeply") from error


class _Plain:
    """Copies a document, with keys as JSON has them: ``8080:`` and ``on:`` are strings there.

    Aliases may make a short text a huge document: what grows far beyond its text is refused. Raises ValueError.
    """

    def __init__(self, size: int) -> None:
        self._left = 10_000 + 10 * size

    def of(self, value: Any, depth: int = 0) -> Any:
        """The copy."""
        if depth > 100:
            raise ValueError("nested too deeply")
        if isinstance(value, (dict, list)):
            self._left -= len(value) + 1
            if self._left < 0:
                raise ValueError("its aliases repeat too much")
        if isinstance(value, dict):
            return {_key(key): self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item, depth + 1) for item in value]
        return value


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return key if isinstance(key, str) else str(key)
