"""Parts of the guides that are made from the code: ``python -m tests.pages`` writes them, and a test holds them equal.

A part stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby, pairwise
from pathlib import Path

from pydantic import BaseModel

from meshtui.cni import profiles
from meshtui.model.cni import Cni, HostPods
from meshtui.settings import Settings, model
from meshtui.settings.load import PREFIX
from meshtui.ui.actions import ACTIONS, Action, keys_of

GUIDE = Path(__file__).parents[1] / "docs" / "guide"


def _docstrings(kind: type[BaseModel]) -> dict[str, str]:
    """The docstring under each field of a class."""
    classes = (node for node in ast.parse(inspect.getsource(model)).body if isinstance(node, ast.ClassDef))
    body = next(node.body for node in classes if node.name == kind.__name__)
    found = {}
    for one, after in pairwise(body):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(after, ast.Expr):
            text = after.value
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found[one.target.id] = " ".join(text.value.split()).replace("``", "`")
    return found


def _settings(kind: type[BaseModel] = Settings, path: tuple[str, ...] = ()) -> Iterator[str]:
    words = _docstrings(kind)
    groups = []
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            groups.append((field.annotation, (*path, name)))
            continue
        default = field.default
        shown = "" if default in ("", (), {}) else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        variable = PREFIX + "__".join((*path, name)).upper() + ("__…" if default == {} else "")
        yield f"| `{'.'.join((*path, name))}` | `{variable}` | {shown} | {words[name]} |"
    for group, below in groups:
        yield from _settings(group, below)


def settings_table() -> str:
    """Every setting: its name in the file, its variable, its default, and what it does."""
    head = "| in the file | variable | default | what it is |\n|---|---|---|---|\n"
    return head + "\n".join(_settings()) + "\n"


def keys_table() -> str:
    """Every action: its id, its keys, and what it does. A pair that one sentence describes, as in the help, is one row."""
    rows = []
    for _, group in groupby((action for action in ACTIONS if action.keys), key=lambda action: (action.says, action.stands_on)):
        actions = list(group)
        ids = ", ".join(f"`{action.id}`" for action in actions)
        rows.append(f"| {ids} | {' · '.join(map(_keys, actions))} | {_words(*actions)} |")
    return "| id | keys | what it does |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _keys(action: Action) -> str:
    return ", ".join(f"`{key}`" for key in keys_of(action, {}))


def _words(action: Action, *others: Action) -> str:
    several = f" (on {', '.join(action.places)})" if action.places else ""
    return f"{action.says if others else f'{action.footer}: {action.says}'}{several}"


def cnis_table() -> str:
    """Every CNI's profile: its name, and its readings."""
    columns = (
        *("`--cni`", "CNI", "enforces", "block matches pods", "block matches nodes", "pods on the host network"),
        *("port ranges", "SCTP", "names (ingress)", "names (egress)"),
    )
    head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n"
    return head + "\n".join(_cni(profile.cni) for profile in profiles().values()) + "\n"


def _cni(cni: Cni) -> str:
    yes = {True: "yes", False: "no", None: "not known"}
    if not cni.enforces:
        return f"| `{cni.name}` | {cni.title} | no |{' |' * 7}"
    hosts = "not known" if cni.host_pods is HostPods.UNKNOWN else f"as {cni.host_pods.value}s"
    blocks = (yes[cni.blocks_match_pods], yes[cni.blocks_match_nodes])
    ports = (yes[each] for each in (cni.end_ports, cni.sctp, cni.named_ingress, cni.named_egress))
    return f"| {' | '.join((f'`{cni.name}`', cni.title, 'yes', *blocks, hosts, *ports))} |"


def _role(name: str) -> Callable[[], str]:
    return lambda: f"```yaml\n{(GUIDE / name).read_text()}```\n"


ROLES = sorted(path.relative_to(GUIDE).as_posix() for path in (GUIDE / "roles").glob("*.yaml"))
PARTS: Mapping[tuple[str, str], Callable[[], str]] = {
    ("settings.md", "settings"): settings_table,
    ("keys.md", "keys"): keys_table,
    ("verdicts.md", "cnis"): cnis_table,
    **{("permissions.md", name): _role(name) for name in ROLES},
}
"""By page and name."""


def renewed(text: str, name: str, part: str) -> str:
    """A page with a part as it should be. Raises ValueError where the page has no place for it."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no place for {name}")
    return pattern.sub(lambda found: found[1] + part + found[2], text)


def main() -> None:
    """Write all parts."""
    for (page, name), make in PARTS.items():
        path = GUIDE / page
        path.write_text(renewed(path.read_text(), name, make()))


if __name__ == "__main__":
    main()
