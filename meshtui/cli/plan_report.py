"""A plan of probes as text for the confirmation, and as JSON (docs/contracts.md, plan)."""

from __future__ import annotations

from typing import Any

from meshtui.cli.answer import Answer, Column, end_name, key
from meshtui.cli.flowfile import flow_to_json
from meshtui.model.plain import clean
from meshtui.probe.plan import Plan


def plan_in_words(plan: Plan, context: str) -> list[str]:
    """The lines of the confirmation: pods, flows and what is left out."""
    lines = [f"context {context}: {plan.flows} flow(s), {len(plan.batches)} probe pod(s), up to {plan.seconds} s"]
    lines += [
        f"  pod in {b.namespace} as {b.service_account}, like {b.stands_for}: {len(b.targets)} flow(s)" for b in plan.batches
    ]
    lines += [f"  from here, through the gateway: {len(plan.external)} flow(s)"] if plan.external else []
    lines += [f"  left out: {r.flow.source} → {r.flow.destination}: {r.reason}" for r in plan.refused]
    lines += [f"  note: {warning}" for warning in plan.warnings]
    return lines


def plan_to_json(plan: Plan, context: str) -> dict[str, Any]:
    """The JSON answer of ``probe --plan``."""
    return {
        "context": context,
        "seconds": plan.seconds,
        "pods": [
            {
                "namespace": batch.namespace,
                "service_account": batch.service_account,
                "stands_for": batch.stands_for,
                "labels": dict(batch.labels),
                "flows": [flow_to_json(target.flow) for target in batch.targets],
            }
            for batch in plan.batches
        ],
        "external": [flow_to_json(target.flow) for target in plan.external],
        "refused": [{"flow": flow_to_json(r.flow), "reason": r.reason} for r in plan.refused],
        "warnings": list(plan.warnings),
    }


def plan_answer(plan: Plan, context: str) -> Answer:
    """The plan as an Answer with all formats; rows are flows, each with the pod that would send it."""
    document = plan_to_json(plan, context)
    rows = [
        {"pod": f"{pod['namespace']} as {pod['service_account']}", **flow} for pod in document["pods"] for flow in pod["flows"]
    ]
    rows += [{"pod": "from here", **flow} for flow in document["external"]]
    rows += [{"pod": "left out", "reason": refused["reason"], **refused["flow"]} for refused in document["refused"]]
    columns = (
        Column("PROBE POD", key("pod")),
        Column("FROM", lambda row: end_name(row["from"])),
        Column("TO", lambda row: end_name(row["to"])),
        Column("PROTOCOL", key("protocol")),
        Column("REASON", key("reason")),
    )
    text = "".join(f"{clean(line)}\n" for line in plan_in_words(plan, context))
    return Answer(document, rows, columns, own={"text": lambda: text})
