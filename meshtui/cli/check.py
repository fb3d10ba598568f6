"""``meshtui check``: what is wrong, before anybody asks."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from meshtui.cli.check_report import FORMATS, Checked
from meshtui.cli.command import Command
from meshtui.cli.source import checked, one_snapshot
from meshtui.findings import look, rules
from meshtui.model.errors import UsageError
from meshtui.model.finding import Finding, Severity

if TYPE_CHECKING:
    from meshtui.model.evidence import Evidence
    from meshtui.model.ids import ObjectRef
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings
    from meshtui.sources.live import LiveSource

_LEVELS = {severity.name.lower(): severity for severity in Severity}
Manifests = Callable[[Sequence[Finding]], dict["ObjectRef", str]]
"""Finds the YAML of the objects that fixes change."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    levels = [*_LEVELS, "never"]
    parser.add_argument("--fail-on", choices=levels, default="error", help="exit 1 from this severity on (default: error)")
    parser.add_argument("--explain", metavar="MTnnn", help="what a rule looks at, why it matters, how it is fixed")
    parser.add_argument("--rules", action="store_true", help="list the rules")
    parser.add_argument("--baseline", metavar="FILE", help="leave out the findings that this file knows")
    parser.add_argument("--write-baseline", metavar="FILE", help="write the findings of today into a file")
    parser.add_argument("--no-observe", action="store_true", help="ask no application: only what the cluster's API says")
    parser.add_argument("-o", "--output", choices=sorted(FORMATS), default="text")


def _run(args: argparse.Namespace, settings: Settings) -> int:
    if args.explain:
        sys.stdout.write(explanation(args.explain))
        return 0
    if args.rules:
        sys.stdout.write("".join(f"{rule.id}  {rule.severity.name.lower():<7}  {rule.name}\n" for rule in rules()))
        return 0
    if args.baseline and args.write_baseline:
        raise UsageError("--baseline reads a file, --write-baseline writes one", "name one of them")
    snapshot, evidence, manifests = _read(args, settings)
    _say_what_is_hidden(snapshot)
    gc.disable()  # this process ends soon, and makes many objects but no circles of them
    report = look(snapshot, evidence)
    namespace = "" if settings.all_namespaces else settings.namespace
    found = [f for f in report.findings if not namespace or any(namespace in {o.namespace, o.name} for o in f.objects)]
    if args.write_baseline:
        return _write_baseline(args.write_baseline, found)
    known = 0
    if args.baseline:
        from meshtui.cli.check_baseline import read_baseline, without

        before = len(found)
        found, gone = without(found, read_baseline(args.baseline))
        known = before - len(found)
        if gone:
            sys.stderr.write(f"meshtui: note: {gone} findings of {args.baseline} are gone: --write-baseline renews it\n")
    active = [f for f in found if not f.ignored]
    shown = Checked(active, [f for f in found if f.ignored], report.not_evaluated, known, {})
    if args.output == "json":
        shown.manifests.update(manifests(active))
    sys.stdout.write(FORMATS[args.output](shown))
    return exit_code(active, args.fail_on)


def exit_code(findings: list[Finding], fail_on: str) -> int:
    """1 for a finding at or over a severity (contracts, Exit codes)."""
    return int(fail_on != "never" and any(finding.severity <= _LEVELS[fail_on] for finding in findings))


def explanation(name: str) -> str:
    """A rule's page. Raises UsageError for an id that isn't one."""
    from importlib.resources import files

    wanted = name.upper()
    if wanted not in {rule.id for rule in rules()}:
        raise UsageError(f"no rule {name!r}", "meshtui check --rules lists them")
    return files("meshtui.findings").joinpath("pages", f"{wanted}.md").read_text("utf-8")


def _read(args: argparse.Namespace, settings: Settings) -> tuple[Snapshot, Evidence | None, Manifests]:
    """The snapshot, what was observed beside it, and how to get at objects' YAML."""
    if settings.filenames:
        from meshtui.cli.check_patches import from_files

        return one_snapshot(settings), None, lambda found: from_files(settings.filenames, found)
    import asyncio

    return asyncio.run(_read_live(args, settings))


async def _read_live(args: argparse.Namespace, settings: Settings) -> tuple[Snapshot, Evidence | None, Manifests]:
    from meshtui.cli.check_patches import from_cluster
    from meshtui.sources.live import LiveSource

    source = LiveSource(settings)
    try:
        snapshot = checked(await source.snapshot())
        evidence = None if args.no_observe else await _observe(settings, snapshot, source)
    finally:
        await source.close()
    return snapshot, evidence, lambda found: from_cluster(settings, found)


async def _observe(settings: Settings, snapshot: Snapshot, source: LiveSource) -> Evidence | None:
    """What a running bookstore shows, where there is one."""
    from meshtui.checkout.evidence import gather
    from meshtui.engine import Engine

    return await gather(await source.open(), settings, Engine(snapshot))


def _write_baseline(file: str, found: list[Finding]) -> int:
    from meshtui.cli.check_baseline import baseline_of, write_baseline

    entries = baseline_of(found)
    write_baseline(file, entries)
    sys.stderr.write(f"wrote {len(entries)} findings to {file}: meshtui check --baseline {file} leaves them out\n")
    return 0


def _say_what_is_hidden(snapshot: Snapshot) -> None:
    lines = [f"{problem.where}: {problem.path}: {problem.reason}" for problem in snapshot.problems]
    if not snapshot.live and not snapshot.namespaces:
        lines.append("these files hold no object that meshtui reads")
    if snapshot.live and not snapshot.mesh.found:
        lines.append(f"no ConfigMap istio can be read: the trust domain is taken to be {snapshot.mesh.trust_domain}")
    sys.stderr.write("".join(f"meshtui: note: {line}\n" for line in lines))


COMMAND = Command("check", "what is wrong, and the smallest change that would put it right", _arguments, _run)
