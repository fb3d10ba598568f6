"""Baselines: files with the findings of an earlier moment, so that only new findings count."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meshtui.cli.private import private
from meshtui.model.errors import UsageError
from meshtui.model.finding import Finding

_API_VERSION = "meshtui/v1"
_NUMBERS = re.compile(r"\d+")


def fingerprint(finding: Finding) -> str:
    """A key that stays the same while a finding persists: rule, objects, and message without numbers.

    Reordering the rules of a policy, or a growing count, doesn't change it.
    """
    about = str(finding.objects[0]) if finding.objects else ""
    words = _NUMBERS.sub("#", finding.message)
    return hashlib.sha256(f"{finding.rule}\n{about}\n{words}".encode()).hexdigest()[:32]


def baseline_of(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """The entries of a baseline file. Ignored findings are left out."""
    return [
        {"fingerprint": fingerprint(f), "rule": f.rule, "object": str(f.objects[0]) if f.objects else "", "message": f.message}
        for f in findings
        if not f.ignored
    ]


def write_baseline(file: str, entries: Sequence[dict[str, str]]) -> None:
    """Write the file; ``-`` is standard output. Raises UsageError."""
    text = json.dumps({"apiVersion": _API_VERSION, "findings": list(entries)}, indent=2, ensure_ascii=False) + "\n"
    try:
        with open("/dev/stdout" if file == "-" else file, "w", encoding="utf-8", opener=private) as out:
            out.write(text)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from error


def read_baseline(file: str) -> Counter[str]:
    """The fingerprints in a file, with their counts. Raises UsageError if the file isn't a baseline."""
    try:
        content: Any = json.loads(Path(file).read_text("utf-8"))
        if content["apiVersion"] != _API_VERSION:
            raise UsageError(f"{file}: apiVersion is {content['apiVersion']!r}, not {_API_VERSION}")
        return Counter(str(entry["fingerprint"]) for entry in content["findings"])
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}", "--write-baseline makes one") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} isn't a baseline file", "--write-baseline makes one") from error


def without(findings: Sequence[Finding], known: Counter[str]) -> tuple[list[Finding], int]:
    """The findings that aren't in the baseline, and the number of its entries that match none. Ignored findings are kept."""
    left = Counter(known)
    new = []
    for finding in findings:
        mark = fingerprint(finding)
        if not finding.ignored and left[mark] > 0:
            left[mark] -= 1
        else:
            new.append(finding)
    return new, sum(left.values())
