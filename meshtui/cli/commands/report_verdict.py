"""``meshtui report-verdict``: the part of a cluster that one verdict rests on, to attach to a report of a wrong verdict."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshtui.cli.asked_flow import FLOW_PARAMS, flow_of
from meshtui.cli.command import command, switch

if TYPE_CHECKING:
    from meshtui.model.flow import Flow
    from meshtui.model.ids import ObjectRef
    from meshtui.model.verdict import Verdict
    from meshtui.session.excerpt import Excerpt
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the command."""

    source: str
    destination: str
    protocol: str
    method: str | None
    path: str | None
    keep_names: bool


PARAMS = [
    *FLOW_PARAMS,
    switch("--keep-names", "leave the names of namespaces, workloads, accounts and policies, and label values, as they are"),
]


def _run(words: Words, settings: Settings) -> int:
    import asyncio

    from meshtui.model.plain import clean

    flow = flow_of(words)
    made = asyncio.run(_excerpt(flow, settings, rename=not words.keep_names))
    sys.stdout.write(_document(made, flow))
    for text in made.missing:
        sys.stderr.write(f"meshtui: warning: left out: {clean(text)}\n")
    if not made.same:
        sys.stderr.write("meshtui: warning: the excerpt doesn't give the verdict of the whole cluster: say so in the report\n")
    return 0


async def _excerpt(flow: Flow, settings: Settings, *, rename: bool) -> Excerpt:
    import yaml

    from meshtui.cli.source import open_session
    from meshtui.session.excerpt import excerpt

    async with open_session(settings) as session:
        written = _by_ref(settings) if settings.filenames else {}

        async def fetch(ref: ObjectRef) -> Mapping[str, Any]:
            known = written.get((ref.kind, ref.namespace, ref.name))
            found: Mapping[str, Any] = known if known is not None else yaml.safe_load(await session.source.manifest(ref))
            return found

        return await excerpt(session.engine, flow, fetch, rename=rename)


def _by_ref(settings: Settings) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """What the files hold, by kind, namespace and name; they are read once."""
    from meshtui.sources.manifests import documents_of

    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for document in documents_of(settings.filenames):
        metadata = document.get("metadata") or {}
        kind, name = str(document.get("kind")), str(metadata.get("name"))
        for namespace in {str(metadata.get("namespace") or "default"), str(metadata.get("namespace") or "")}:
            found[kind, namespace, name] = document
    return found


def _document(made: Excerpt, flow: Flow) -> str:
    """The manifests, with what was asked and answered in comments before them."""
    import platform

    import yaml

    from meshtui import __version__
    from meshtui.model.plain import clean

    request = f" --method {flow.http.method} --path {flow.http.path}" if flow.http else ""
    head = [
        f"meshtui {__version__}, Python {platform.python_version()}",
        f"asked: meshtui explain -f THIS_FILE {made.source} {made.destination} --protocol {flow.protocol}{request}",
        f"the same verdict as on the whole cluster: {'yes' if made.same else 'no'}",
        *(_answer(made.verdict) if made.verdict is not None else ()),
        "expected instead, and because of which rule: (say it here)",
    ]
    comments = "".join(f"# {clean(line)}\n" for line in head)
    return comments + "---\n" + yaml.safe_dump_all(map(dict, made.objects), sort_keys=False, allow_unicode=True, width=100)


def _answer(verdict: Verdict) -> list[str]:
    by = verdict.decided_by
    return [
        f"answer: {verdict.decision.value}, {verdict.outcome} ({verdict.layer.value})",
        f"decided by: {by.ref} {by.rule or ''}".rstrip() if by else "decided by: no object",
        *(f"{step.result.value} {step.layer.value}: {step.reason}" for step in verdict.steps),
        *(f"assumed: {text}" for text in verdict.assumptions),
    ]


COMMAND = command(
    "report-verdict",
    "an excerpt of the cluster that gives the same verdict, without secrets and names, to report a wrong one",
    PARAMS,
    Words,
    _run,
    exits={0: "whatever the verdict is", 3: "the cluster can't be reached or says no"},
)
