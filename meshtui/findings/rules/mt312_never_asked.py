"""MT312: rules of network policies before which another one decides everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.own import field_of, never_asked
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decider


def _look(context: Context) -> Iterator[Found]:
    """Where policies of the CNI's own kinds are evaluated: they have an order. Only what is certain, for every pod concerned."""
    found: dict[tuple[ObjectRef, Decider], list[str]] = defaultdict(list)
    for rule, by in never_asked(context).items():
        found[rule.ref, by].append(rule.rule or "")
    for (ref, by), places in sorted(found.items(), key=lambda item: (item[0][0], item[0][1].ref, item[0][1].rule or "")):
        before = f"{by.ref} {by.rule}" if by.rule else f"the end of the tier of {by.ref}"
        yield Found(
            (ref, by.ref) if by.ref != ref else (ref,),
            f"{ref} {', '.join(places)}: never asked, as {before} decides everything before",
            "it has no effect, whatever it says",
            affected=frozenset({by.ref} - {ref}),
            field=field_of(Decider(ref, places[0])),
        )


RULE = Rule("MT312", "never asked", Severity.WARNING, _look, ("Pod", "Namespace"))
