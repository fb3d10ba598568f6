"""What a command of the command line is, and the flags that all of them share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meshtui.settings import Settings, load_settings


@dataclass(frozen=True, slots=True)
class Command:
    """One command: ``run`` gets the parsed words and the settings, and returns the exit code."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Settings], int]
    needs_cluster: bool = True


def add_cluster_flags(parser: argparse.ArgumentParser) -> None:
    """Where the cluster comes from: the same flags as kubectl's."""
    group = parser.add_argument_group("where the cluster comes from")
    group.add_argument("--kubeconfig", metavar="PATH", help="default: $KUBECONFIG, ~/.kube/config, in-cluster")
    group.add_argument("--context", metavar="NAME", help="a context of the kubeconfig")
    group.add_argument("-n", "--namespace", metavar="NS", help="show this namespace")
    group.add_argument("-A", "--all-namespaces", action="store_true", help="show all namespaces")
    group.add_argument("--as", dest="impersonate", metavar="USER", help="impersonate a user")
    group.add_argument("--as-group", dest="impersonate_groups", metavar="GROUP", action="append", help="impersonate a group")
    group.add_argument("--request-timeout", metavar="SECONDS", type=float, help="how long one request may take")
    group.add_argument("-f", "--filename", dest="filenames", metavar="PATH", action="append", help="read manifests instead")
    group.add_argument("--read-only", action="store_true", help="never change anything in the cluster")


def settings_from(args: argparse.Namespace) -> Settings:
    """Settings with the flags that were given."""
    flags: dict[str, Any] = {}
    for name in ("kubeconfig", "context", "namespace", "impersonate"):
        if getattr(args, name, None):
            flags[name] = getattr(args, name)
    for name in ("impersonate_groups", "filenames"):
        if getattr(args, name, None):
            flags[name] = tuple(getattr(args, name))
    for name in ("all_namespaces", "read_only"):
        if getattr(args, name, False):
            flags[name] = True
    settings = load_settings(flags)
    changes: dict[str, Any] = {}
    if getattr(args, "request_timeout", None):
        changes["timeouts"] = settings.timeouts.model_copy(update={"request_s": args.request_timeout})
    if getattr(args, "probe_image", None):
        changes["probe"] = settings.probe.model_copy(update={"image": args.probe_image})
    return settings.model_copy(update=changes) if changes else settings
