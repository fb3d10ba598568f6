"""Numbers and booleans where a kind wants a string (``labels: {ready: yes}``), as Kubernetes's own YAML library reads them."""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from meshtui.kinds.wire import Wire


def with_texts(raw: Any, wanted: Any) -> Any:
    """``raw`` (plain data) with text in place of each number and boolean for which ``wanted`` (a wire type) has a string.

    sigs.k8s.io/yaml, Unmarshal: ``yes`` is "true", ``8080`` is "8080". The API server refuses such an object.
    """
    hints = get_args(wanted) if get_origin(wanted) in {Union, UnionType} else (wanted,)
    if isinstance(raw, (bool, int, float)):
        return text_of(raw) if str in hints and not {bool, int, float} & set(hints) else raw
    if isinstance(raw, list):
        item = next((get_args(hint)[0] for hint in hints if get_origin(hint) is list), None)
        return raw if item is None else [with_texts(each, item) for each in raw]
    if isinstance(raw, dict):
        return _mapping(raw, hints)
    return raw


def _mapping(raw: dict[str, Any], hints: tuple[Any, ...]) -> dict[str, Any]:
    for hint in hints:
        if get_origin(hint) is dict:
            return {key: with_texts(value, get_args(hint)[1]) for key, value in raw.items()}
        if isinstance(hint, type) and issubclass(hint, Wire):
            known = _fields(hint)
            return {key: with_texts(value, known[key]) if key in known else value for key, value in raw.items()}
    return raw


@lru_cache(maxsize=256)
def _fields(wire: type[Wire]) -> dict[str, Any]:
    """The types of a wire type's fields, by their names in JSON."""
    hints = get_type_hints(wire)
    return dict(zip(wire.__struct_encode_fields__, (hints[name] for name in wire.__struct_fields__), strict=True))


def text_of(value: bool | float) -> str:
    """A scalar where a string is wanted (sigs.k8s.io/yaml, convertToJSONableObject): ``true``, ``8080``, ``1.5``, ``1e+06``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) or not math.isfinite(value) else _shortest(value)


def _shortest(value: float) -> str:
    """Go's ``strconv.FormatFloat(value, 'g', -1, 32)``: the shortest digits that give the same 32-bit number."""
    nearest = _single(value)
    if math.isinf(nearest):
        return "+Inf" if nearest > 0 else "-Inf"
    written = next((text for n in range(9) if _single(float(text := f"{nearest:.{n}e}")) == nearest), f"{nearest:.9e}")
    mantissa, _, power = written.partition("e")
    exponent = int(power)
    if exponent < -4 or exponent >= 6:
        return f"{mantissa}e{exponent:+03d}"
    return f"{float(written):.{max(0, len(mantissa.lstrip('-').replace('.', '')) - 1 - exponent)}f}"


def _single(value: float) -> float:
    """The nearest 32-bit number."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
