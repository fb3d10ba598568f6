"""The findings that commands are about: what is read for them, which rules there are, and which findings are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshtui.findings import NotEvaluated, Rule
    from meshtui.model.finding import Finding
    from meshtui.model.ids import ObjectRef
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings
    from meshtui.sources.kubernetes.live import LiveSource

    Manifests = Callable[[Sequence[Finding]], dict[ObjectRef, str]]
    """A function that reads the YAML of the objects that fixes change."""


def known_rules() -> tuple[Rule, ...]:
    """The rules about every mesh, and those that applications bring, by id."""
    from meshtui.findings import all_rules

    return all_rules(_of_applications())


def rule_named(name: str) -> Rule:
    """The rule with an id, in any case. Raises UsageError for an unknown one."""
    from meshtui.cli.closest import did_you_mean
    from meshtui.model.errors import UsageError

    rules = {rule.id: rule for rule in known_rules()}
    wanted = name.upper()
    if wanted not in rules:
        raise UsageError(f"no rule {name!r}{did_you_mean(wanted, list(rules))}", "meshtui check --rules lists them")
    return rules[wanted]


def findings_of(
    snapshot: Snapshot, evidence: Mapping[str, object], settings: Settings
) -> tuple[list[Finding], Sequence[NotEvaluated]]:
    """The findings of all rules about the namespace of the settings, or about all; and the rules that couldn't be evaluated."""
    from meshtui.findings import look

    report = look(snapshot, evidence, more=_of_applications())
    namespace = "" if settings.all_namespaces else settings.namespace
    found = [f for f in report.findings if not namespace or any(namespace in {o.namespace, o.name} for o in f.objects)]
    return found, report.not_evaluated


def _of_applications() -> list[Rule]:
    from meshtui.journeys import applications

    return [rule for each in applications() for rule in each.rules]


def read_for(settings: Settings, *, observe: bool) -> tuple[Snapshot, Mapping[str, object], Manifests]:
    """The snapshot, what was observed beside it (if wanted), and how to get at objects' YAML."""
    if settings.filenames:
        from meshtui.cli.check_patches import from_files
        from meshtui.cli.source import one_snapshot

        return one_snapshot(settings), {}, lambda found: from_files(settings.filenames, found, render=settings.render)
    import asyncio

    return asyncio.run(_read_live(settings, observe=observe))


async def _read_live(settings: Settings, *, observe: bool) -> tuple[Snapshot, Mapping[str, object], Manifests]:
    from meshtui.cli.check_patches import from_cluster
    from meshtui.cli.source import checked, in_scope, listed
    from meshtui.sources.kubernetes.live import LiveSource

    source = LiveSource(settings)
    try:
        snapshot = in_scope(checked(await listed(source)), settings)
        evidence = {} if not observe else await _observe(settings, snapshot, source)
    finally:
        await source.close()
    return snapshot, evidence, lambda found: from_cluster(settings, found)


async def _observe(settings: Settings, snapshot: Snapshot, source: LiveSource) -> Mapping[str, object]:
    """What running applications show, by their names, where there are any."""
    from meshtui.engine import Engine
    from meshtui.journeys import applications

    api, engine = await source.open(), Engine(snapshot)
    found = {each.name: await each.gather(api, settings, engine) for each in applications()}
    return {name: evidence for name, evidence in found.items() if evidence is not None}
