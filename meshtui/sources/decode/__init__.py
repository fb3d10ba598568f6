"""Raw Kubernetes JSON is decoded here and nowhere else."""

from meshtui.sources.decode.build import decode_all, decode_json, decode_list, decode_plain, decode_unreadable, problem
from meshtui.sources.decode.registry import BY_GROUP_KIND, KINDS, Kind
from meshtui.sources.decode.routes import mesh_config

__all__ = [
    "BY_GROUP_KIND",
    "KINDS",
    "Kind",
    "decode_all",
    "decode_json",
    "decode_list",
    "decode_plain",
    "decode_unreadable",
    "mesh_config",
    "problem",
]
