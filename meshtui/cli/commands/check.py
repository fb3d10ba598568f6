"""``meshtui check``: problems of a cluster or of manifests, with proposed fixes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshtui.cli.command import choice, command, switch, value
from meshtui.cli.complete import files, rule_names
from meshtui.cli.findings import World, findings_of, known_rules, read_for, rule_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meshtui.cli.check_report import Checked
    from meshtui.model.finding import Finding
    from meshtui.model.ids import ObjectRef
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings

_WITH_PATCHES = frozenset({"json", "jsonl", "yaml"})
"""The outputs that have the changes of fixes, not only their summaries; of manifests, SARIF has them too."""


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    fail_on: str
    explain: str | None
    rules: bool
    baseline: str | None
    write_baseline: str | None
    no_observe: bool
    denials: bool
    fix_dir: str | None
    output: str


PARAMS = [
    choice("--fail-on", ["error", "warning", "info", "never"], "error", "exit 1 from this severity on"),
    value("--explain", "MTnnn", "what a rule looks at, why it matters, how it is fixed", shell_complete=rule_names),
    switch("--rules", "list the rules"),
    value("--baseline", "FILE", "leave out the findings that this file knows", shell_complete=files),
    value("--write-baseline", "FILE", "write the findings of today into a file", shell_complete=files),
    value("--fix-dir", "DIR", "write the objects that fixes change or create into a new folder", shell_complete=files),
    switch("--no-observe", "ask no application: only what the cluster's API says"),
    switch("--denials", "read the proxies' logs too: denials of the last 15 minutes make a finding more severe"),
]


def _run(words: Words, settings: Settings) -> int:
    import gc

    from meshtui.cli.check_places import places_of
    from meshtui.cli.check_report import Checked, answer
    from meshtui.cli.formats import write
    from meshtui.cli.notes import note
    from meshtui.cli.reading import noting
    from meshtui.model.errors import UsageError

    if words.explain:
        sys.stdout.write(explanation(words.explain))
        return 0
    if words.rules:
        return _list_rules(words.output)
    if words.baseline and words.write_baseline:
        raise UsageError("--baseline reads a file, --write-baseline writes one", "name one of them")
    world = read_for(settings, observe=not words.no_observe, denials=words.denials)
    snapshot = world.snapshot
    _say_what_is_hidden(snapshot, verbose=settings.verbose)
    gc.disable()  # this process ends soon, and makes many objects but no circles of them
    found, silent = findings_of(world, settings)
    everything = found
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
    texts: dict[ObjectRef, str] = {}
    if words.output in _WITH_PATCHES or words.fix_dir or (words.output == "sarif" and settings.filenames):
        texts = world.manifests(active)
        active = _proven(world, active, everything, texts, settings)
    places = places_of(snapshot, active)
    shown = Checked(active, [f for f in found if f.ignored], silent, known, texts, known_rules(), places)
    if words.fix_dir:
        _write_fixes(words.fix_dir, world, shown)
    write(noting(answer(shown), read=snapshot.reading), words.output)
    return exit_code(active, words.fail_on)


def _proven(
    world: World, found: list[Finding], everything: list[Finding], texts: Mapping[ObjectRef, str], settings: Settings
) -> list[Finding]:
    """The findings, without fixes that don't keep their promise: standard error names these. ``everything`` was found."""
    from meshtui.cli.check_proof import proven
    from meshtui.cli.notes import note

    def evaluate(after: Snapshot) -> list[Finding]:
        return findings_of(World(after, world.manifests), settings)[0]

    kept, lines = proven(world.snapshot, found, everything, texts, evaluate)
    for line in lines:
        note(line)
    return kept


def _write_fixes(folder: str, world: World, shown: Checked) -> None:
    """Write the fixes, and say on standard error what all of them do together."""
    from meshtui.cli.check_fixes import collected, in_words, together, write_fixes
    from meshtui.cli.notes import note

    fixes = collected(shown.findings, shown.manifests)
    if not fixes.objects:
        note("no finding has a fix that can be written")
        return
    files_ = write_fixes(folder, fixes)
    note(f"wrote the fixes of {len(fixes.fixed)} findings into {folder}: {len(files_)} objects")
    comparison = together(world.snapshot, fixes)
    for line in in_words(fixes, comparison):
        note(line)


def _list_rules(output: str) -> int:
    from meshtui.cli.answer import Answer, Column, key
    from meshtui.cli.formats import write
    from meshtui.model.errors import UsageError

    if output in {"sarif", "junit"}:
        raise UsageError(f"the list of rules can't be printed as {output}", "-o text, table, json, yaml, csv or name")
    rows = [{"rule": rule.id, "severity": rule.severity.name.lower(), "name": rule.name} for rule in known_rules()]
    listing = "".join(f"{row['rule']}  {row['severity']:<7}  {row['name']}\n" for row in rows)
    columns = tuple(Column(name.upper(), key(name)) for name in ("rule", "severity", "name"))
    write(Answer(rows, rows, columns, lambda row: [row["rule"]], {"text": lambda: listing}), output)
    return 0


def exit_code(findings: list[Finding], fail_on: str) -> int:
    """1 for a finding at or over a severity (docs/contracts.md, Exit codes)."""
    from meshtui.model.finding import Severity

    return int(fail_on != "never" and any(finding.severity <= Severity[fail_on.upper()] for finding in findings))


def explanation(name: str) -> str:
    """A rule's page. Raises UsageError for an unknown id."""
    from meshtui.cli.check_pages import page_of

    return page_of(rule_named(name).id)


def _write_baseline(file: str, found: list[Finding]) -> int:
    from meshtui.cli.check_baseline import baseline_of, write_baseline

    entries = baseline_of(found)
    write_baseline(file, entries)
    sys.stderr.write(f"wrote {len(entries)} findings to {file}: meshtui check --baseline {file} leaves them out\n")
    return 0


def _say_what_is_hidden(snapshot: Snapshot, *, verbose: bool) -> None:
    from meshtui.cli.notes import note_problems, note_trust_domain

    if not verbose:  # with -v every command names them
        note_problems(snapshot)
    note_trust_domain(snapshot)


COMMAND = command(
    "check",
    "what is wrong, and the smallest change that fixes it",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "name", "sarif", "junit"),
    exits={1: "a finding of the severity of --fail-on, or a worse one", 3: "the cluster can't be reached or refuses"},
)
