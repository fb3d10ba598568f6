"""``meshtui acceptance``: the bookstore's criteria, each really exercised, with evidence."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meshtui.checkout.acceptance import Acceptance, look_for_gateway
from meshtui.checkout.criteria import Criterion, State, exit_code
from meshtui.cli.ask import confirmed
from meshtui.cli.checkout import with_flags
from meshtui.cli.command import Command
from meshtui.cli.expectations import find, read_expectations
from meshtui.cli.probe import plan_in_words
from meshtui.cli.source import open_session
from meshtui.engine.expect.expectations import Expected, expand
from meshtui.model.errors import MeshtuiError, ReadOnlyError
from meshtui.probe.plan import Plan, make_plan

if TYPE_CHECKING:
    from meshtui.model.observation import Observation
    from meshtui.session import Session
    from meshtui.settings import Settings

_MARKS = {State.PASS: "✓ pass", State.FAIL: "✗ FAIL", State.SKIP: "– skip", State.WAITING: "…", State.RUNNING: "…"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--book", metavar="UUID", help="which book, by inventory's id")
    parser.add_argument("--quantity", metavar="N", type=int, help="how many of it")
    parser.add_argument("--gateway", metavar="URL", help="where the bookstore answers, instead of asking the cluster")
    parser.add_argument("--expectations", metavar="FILE", help="instead of the shipped ones (bookstore)")
    parser.add_argument("--probe-image", metavar="IMAGE", help="an image that has sh and curl")
    parser.add_argument("--unsafe-methods", action="store_true", help="probe with methods other than GET, HEAD and OPTIONS too")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("-o", "--output", choices=sorted(FORMATS), default="text")


async def _acceptance(args: argparse.Namespace, settings: Settings) -> int:
    settings = with_flags(settings, book=args.book, quantity=args.quantity, gateway=args.gateway)
    entries = read_expectations(*find(args.expectations or settings.checkout.expectations))
    async with open_session(settings) as session:
        if session.read_only:
            raise ReadOnlyError(f"nothing is tried: {session.read_only}")
        engine, checkout = session.engine, settings.checkout
        gateway = await look_for_gateway(settings, engine)
        sys.stderr.write(_plain(f"gateway {gateway}, host {checkout.host}, context {session.label.context}") + "\n")

        def plan_for(expected: Sequence[Expected]) -> Plan:
            any_method = args.unsafe_methods or session.label.sandbox
            return make_plan(engine, [each.flow for each in expected], settings.probe, any_method=any_method)

        lines = [
            f"this buys {checkout.quantity} of book {checkout.book} there, as {checkout.username}: a real order.",
            "What is in that user's cart is thrown away first. It also asks to reserve, and to check out, without a token.",
            *_probes(session, plan_for, lambda: expand(engine, entries)),
        ]
        confirmation = confirmed(lines, session.read_only, yes=args.yes or session.label.sandbox)

        async def probe(expected: Sequence[Expected]) -> Mapping[str, Observation]:
            seen = await session.probe(plan_for(expected), confirmation)
            return {observation.flow.id: observation for observation in seen}

        acceptance = Acceptance(gateway, settings, engine, session.api(), entries, probe, _progress)
        criteria = await acceptance.run(confirmation)
    sys.stdout.write(FORMATS[args.output](criteria))
    return exit_code(criteria)


def _probes(
    session: Session, plan_for: Callable[[Sequence[Expected]], Plan], expected: Callable[[], list[Expected]]
) -> list[str]:
    """What would be probed, for the question; nothing where the expectations don't fit the cluster."""
    try:
        return plan_in_words(plan_for(expected()), session.label.context)
    except MeshtuiError as error:
        return [f"nothing is probed: {error}"]


def _progress(criteria: Sequence[Criterion]) -> None:
    """What is being tried, on a terminal's last line."""
    if sys.stderr.isatty():
        running = next((each for each in criteria if each.state is State.RUNNING), None)
        sys.stderr.write(f"\r\x1b[K… {running.title}" if running else "\r\x1b[K")
        sys.stderr.flush()


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def as_text(criteria: Sequence[Criterion]) -> str:
    """Each criterion with its evidence, and a count."""
    lines: list[str] = []
    for number, each in enumerate(criteria, 1):
        lines.append(f"{_MARKS[each.state]}  {number} {_plain(each.title)}")
        for evidence in each.evidence:
            lines += textwrap.wrap(_plain(evidence), 150, initial_indent="        ", subsequent_indent="          ")
    count = {state: sum(each.state is state for each in criteria) for state in State}
    summary = f"{count[State.PASS]} passed, {count[State.FAIL]} failed, {count[State.SKIP]} skipped, of {len(criteria)}"
    return "\n".join([*lines, "", summary]) + "\n"


def to_json(criteria: Sequence[Criterion]) -> dict[str, Any]:
    """The answer of the contracts (JSON answers, acceptance)."""
    return {
        "criteria": [
            {"id": each.id, "title": each.title, "status": each.state.value, "evidence": list(each.evidence)} for each in criteria
        ]
    }


def as_json(criteria: Sequence[Criterion]) -> str:
    """The same as JSON text."""
    return json.dumps(to_json(criteria), indent=2, ensure_ascii=False) + "\n"


def as_junit(criteria: Sequence[Criterion]) -> str:
    """JUnit's XML as Jenkins and GitLab read it: one test case a criterion."""
    from xml.etree import ElementTree as ET

    name = "meshtui acceptance"
    count = {state: str(sum(each.state is state for each in criteria)) for state in State}
    numbers = {"tests": str(len(criteria)), "failures": count[State.FAIL], "errors": "0", "skipped": count[State.SKIP]}
    suites = ET.Element("testsuites", {"name": name, **numbers})
    suite = ET.SubElement(suites, "testsuite", {"name": name, **numbers})
    for each in criteria:
        case = ET.SubElement(suite, "testcase", {"name": _plain(each.title), "classname": f"acceptance.{each.id}"})
        evidence = [_plain(text) for text in each.evidence]
        said = {"message": evidence[0] if evidence else each.state.value}
        if each.state is State.FAIL:
            ET.SubElement(case, "failure", {**said, "type": "criterion"}).text = "\n".join(evidence)
        elif each.state is State.SKIP:
            ET.SubElement(case, "skipped", said)
        else:
            ET.SubElement(case, "system-out").text = "\n".join(evidence)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Criterion]], str]] = {"text": as_text, "json": as_json, "junit": as_junit}
"""By the word after ``-o``."""


def _run(args: argparse.Namespace, settings: Settings) -> int:
    return asyncio.run(_acceptance(args, settings))


COMMAND = Command("acceptance", "the bookstore's acceptance criteria, each really tried, with evidence", _arguments, _run)
