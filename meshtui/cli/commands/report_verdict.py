"""``meshtui report-verdict``: an excerpt of a cluster that gives the same verdict, for a report of a wrong one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshtui.cli.asked_flow import FLOW_PARAMS, flow_of, request_words
from meshtui.cli.command import command, switch

if TYPE_CHECKING:
    from meshtui.model.flow import Flow
    from meshtui.model.ids import ObjectRef
    from meshtui.model.verdict import Verdict
    from meshtui.session.excerpt import Excerpt
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    source: str
    destination: str
    protocol: str
    method: str | None
    path: str | None
    host: str | None
    header: tuple[str, ...]
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
            known = written.get(ref)
            found: Mapping[str, Any] = known if known is not None else yaml.safe_load(await session.source.manifest(ref))
            return found

        return await excerpt(session.engine, flow, fetch, rename=rename)


def _by_ref(settings: Settings) -> dict[ObjectRef, Mapping[str, Any]]:
    """The objects in the files. The files are read once."""
    from meshtui.kinds import ref_of
    from meshtui.sources.manifests import documents_of

    return {ref_of(document): document for document in documents_of(settings.filenames, render=settings.render)}


def _document(made: Excerpt, flow: Flow) -> str:
    """The manifests, preceded by comments with the flow and the verdict."""
    import platform
    import shlex

    from meshtui import __version__
    from meshtui.model.plain import clean
    from meshtui.sources.manifest_yaml import yaml_text

    words = ["meshtui", "explain", "-f", "THIS_FILE", made.source, made.destination, "--protocol", flow.protocol]
    words += [*request_words(made.http), *(["--cni", made.cni] if made.cni else [])]
    head = [
        f"meshtui {__version__}, Python {platform.python_version()}",
        f"asked: {shlex.join(words)}",
        f"the same verdict as on the whole cluster: {'yes' if made.same else 'no'}",
        *(_answer(made.verdict) if made.verdict is not None else ()),
        "expected instead, and because of which rule: (say it here)",
    ]
    comments = "".join(f"# {clean(line)}\n" for line in head)
    return comments + "---\n" + yaml_text(*map(dict, made.objects))


def _answer(verdict: Verdict) -> list[str]:
    from meshtui.engine.explain.wording import in_words

    by = verdict.decided_by
    return [
        f"answer: {verdict.decision.value}, {verdict.outcome} ({verdict.layer.value})",
        f"decided by: {by.ref} {by.rule or ''}".rstrip() if by else "decided by: no object",
        *(f"{step.result.value} {step.layer.value}: {in_words(step.reason)}" for step in verdict.steps),
        *(f"assumed: {in_words(each)}" for each in verdict.assumptions),
    ]


COMMAND = command(
    "report-verdict",
    "an excerpt of the cluster that gives the same verdict, without secrets and names, to report a wrong one",
    PARAMS,
    Words,
    _run,
    exits={0: "whatever the verdict is", 3: "the cluster can't be reached or refuses"},
)
