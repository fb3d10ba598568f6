"""``-o yaml``: the JSON document as YAML."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from meshtui.cli.answer import Answer
from meshtui.cli.formats import Format

_STEERING = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
_NO_FOLDING = 2**31
"""Line width without folding: long texts stay on one line, so that names aren't broken and lines can't be forged."""


def _steers(char: str) -> bool:
    return unicodedata.category(char) in _STEERING


def _render(answer: Answer) -> str:
    """The document as YAML. Text with control characters or line ends is quoted and escaped."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes text that has to be escaped."""

    def text(dumper: Any, value: str) -> Any:
        style = '"' if any(map(_steers, value)) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    made: str = yaml.dump(answer.document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=_NO_FOLDING)
    return re.sub(r"[^\n\x20-\x7e]", lambda found: _escaped(found[0]), made)


def _escaped(char: str) -> str:
    if not _steers(char):
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


FORMAT = Format("yaml", "the JSON document as YAML", render=_render)
