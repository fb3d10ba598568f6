"""``meshtui check``: what is wrong, before anybody asks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshtui.cli.command import choice, command, switch, value
from meshtui.cli.complete import files, rule_names

if TYPE_CHECKING:
    from meshtui.model.evidence import Evidence
    from meshtui.model.finding import Finding
    from meshtui.model.ids import ObjectRef
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings
    from meshtui.sources.live import LiveSource

    Manifests = Callable[[Sequence[Finding]], dict[ObjectRef, str]]
    """Finds the YAML of the objects that fixes change."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the command."""

    fail_on: str
    explain: str | None
    rules: bool
    baseline: str | None
    write_baseline: str | None
    no_observe: bool
    output: str


PARAMS = [
    choice("--fail-on", ["error", "warning", "info", "never"], "error", "exit 1 from this severity on"),
    value("--explain", "MTnnn", "what a rule looks at, why it matters, how it is fixed", shell_complete=rule_names),
    switch("--rules", "list the rules"),
    value("--baseline", "FILE", "leave out the findings that this file knows", shell_complete=files),
    value("--write-baseline", "FILE", "write the findings of today into a file", shell_complete=files),
    switch("--no-observe", "ask no application: only what the cluster's API says"),
]


def _run(words: Words, settings: Settings) -> int:
    import gc

    from meshtui.cli.check_report import Checked, answer
    from meshtui.cli.formats import write
    from meshtui.cli.notes import note
    from meshtui.findings import look
    from meshtui.model.errors import UsageError

    if words.explain:
        sys.stdout.write(explanation(words.explain))
        return 0
    if words.rules:
        return _list_rules(words.output)
    if words.baseline and words.write_baseline:
        raise UsageError("--baseline reads a file, --write-baseline writes one", "name one of them")
    snapshot, evidence, manifests = _read(words, settings)
    _say_what_is_hidden(snapshot)
    gc.disable()  # this process ends soon, and makes many objects but no circles of them
    report = look(snapshot, evidence)
    namespace = "" if settings.all_namespaces else settings.namespace
    found = [f for f in report.findings if not namespace or any(namespace in {o.namespace, o.name} for o in f.objects)]
    if words.write_baseline:
        return _write_baseline(words.write_baseline, found)
    known = 0
    if words.baseline:
        from meshtui.cli.check_baseline import read_baseline, without

        before = len(found)
        found, gone = without(found, read_baseline(words.baseline))
        known = before - len(found)
        if gone:
            note(f"{gone} findings of {words.baseline} are gone: --write-baseline renews it")
    active = [f for f in found if not f.ignored]
    shown = Checked(active, [f for f in found if f.ignored], report.not_evaluated, known, {})
    if words.output in {"json", "jsonl", "yaml"}:
        shown.manifests.update(manifests(active))
    write(answer(shown), words.output)
    return exit_code(active, words.fail_on)


def _list_rules(output: str) -> int:
    from meshtui.cli.answer import Answer, Column, key
    from meshtui.cli.formats import write
    from meshtui.findings import rules
    from meshtui.model.errors import UsageError

    if output in {"sarif", "junit"}:
        raise UsageError(f"the list of rules is no {output}", "-o text, table, json, yaml, csv or name")
    rows = [{"rule": rule.id, "severity": rule.severity.name.lower(), "name": rule.name} for rule in rules()]
    listing = "".join(f"{row['rule']}  {row['severity']:<7}  {row['name']}\n" for row in rows)
    columns = tuple(Column(name.upper(), key(name)) for name in ("rule", "severity", "name"))
    write(Answer(rows, rows, columns, lambda row: [row["rule"]], {"text": lambda: listing}), output)
    return 0


def exit_code(findings: list[Finding], fail_on: str) -> int:
    """1 for a finding at or over a severity (contracts, Exit codes)."""
    from meshtui.model.finding import Severity

    return int(fail_on != "never" and any(finding.severity <= Severity[fail_on.upper()] for finding in findings))


def explanation(name: str) -> str:
    """A rule's page. Raises UsageError for an id that isn't one."""
    from importlib import resources

    from meshtui.cli.closest import did_you_mean
    from meshtui.findings import rules
    from meshtui.model.errors import UsageError

    wanted, known = name.upper(), [rule.id for rule in rules()]
    if wanted not in known:
        raise UsageError(f"no rule {name!r}{did_you_mean(wanted, known)}", "meshtui check --rules lists them")
    return resources.files("meshtui.findings").joinpath("pages", f"{wanted}.md").read_text("utf-8")


def _read(words: Words, settings: Settings) -> tuple[Snapshot, Evidence | None, Manifests]:
    """The snapshot, what was observed beside it, and how to get at objects' YAML."""
    if settings.filenames:
        from meshtui.cli.check_patches import from_files
        from meshtui.cli.source import one_snapshot

        return one_snapshot(settings), None, lambda found: from_files(settings.filenames, found)
    import asyncio

    return asyncio.run(_read_live(words, settings))


async def _read_live(words: Words, settings: Settings) -> tuple[Snapshot, Evidence | None, Manifests]:
    from meshtui.cli.check_patches import from_cluster
    from meshtui.cli.source import checked, in_scope, listed
    from meshtui.sources.live import LiveSource

    source = LiveSource(settings)
    try:
        snapshot = in_scope(checked(await listed(source)), settings)
        evidence = None if words.no_observe else await _observe(settings, snapshot, source)
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
    from meshtui.cli.notes import note_problems, note_trust_domain

    note_problems(snapshot)
    note_trust_domain(snapshot)


COMMAND = command(
    "check",
    "what is wrong, and the smallest change that would put it right",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "name", "sarif", "junit"),
    exits={1: "a finding of the severity of --fail-on, or a worse one", 3: "the cluster can't be reached or says no"},
)
