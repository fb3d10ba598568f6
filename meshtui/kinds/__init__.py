"""Kubernetes kinds, one module each: the wire types of its JSON, and the conversion to the model.

No other package decodes JSON.
"""

from meshtui.kinds.decoding import decode_json, decode_plain, decode_unreadable, problem, undecoded
from meshtui.kinds.kind import Kind
from meshtui.kinds.registry import BY_GROUP_KIND, KINDS, kind_of, ref_of

__all__ = [
    "BY_GROUP_KIND",
    "KINDS",
    "Kind",
    "decode_json",
    "decode_plain",
    "decode_unreadable",
    "kind_of",
    "problem",
    "ref_of",
    "undecoded",
]
