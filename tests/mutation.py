"""A sampled mutation run on the modules that decide: ``python -m tests.mutation [COUNT [SEED]]``.

Each mutant changes one place of one module in a copy of the package; the unit tables that belong to it must notice. Not a
part of the suite: 60 mutants take some minutes. Survivors are printed with file and line, to be killed or explained.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULES = (
    "matching/addresses",
    "matching/selectors",
    "policy/authorization",
    "policy/networkpolicy",
    "policy/peer_authentication",
    "policy/ztunnel",
)
TESTS = ("test_networkpolicy", "test_authorization", "test_selectors", "test_peer_authentication", "test_verdict_properties")
_COMPARE = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_COMPARE |= {ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    """What one node may be changed into."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
        changed = copy.deepcopy(node)
        changed.ops = [_COMPARE[type(node.ops[0])]()]
        yield changed
    elif isinstance(node, ast.BoolOp):
        changed = copy.deepcopy(node)
        changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield changed
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"any", "all"}:
        changed = copy.deepcopy(node)
        changed.func = ast.Name("all" if node.func.id == "any" else "any", ast.Load())
        yield changed


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return ast.copy_location(self._new, node) if node is self._old else self.generic_visit(node)


def mutants() -> list[tuple[str, int, str, str]]:
    """Every mutant: module, line, what was there, and the module's new text."""
    found = []
    for module in MODULES:
        text = (ROOT / "meshtui" / "engine" / f"{module}.py").read_text()
        for number, node in enumerate(ast.walk(ast.parse(text))):
            for which, _ in enumerate(_variants(node)):
                tree = ast.parse(text)
                again = list(ast.walk(tree))[number]
                new = list(_variants(again))[which]
                line, was = getattr(again, "lineno", 0), ast.unparse(again)
                mutated = ast.unparse(ast.fix_missing_locations(_Swap(again, new).visit(tree)))
                found.append((module, line, was, mutated))
    return found


def main() -> int:
    """Run a sample; the number of survivors."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    everything = mutants()
    sample = random.Random(seed).sample(everything, min(count, len(everything)))
    survivors = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("meshtui", "tests", "pyproject.toml", "screens", "styles"):
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(
                    source, folder / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "__snapshots__")
                )
            else:
                shutil.copy(source, folder / part)
        tests = [f"tests/unit/{test}.py" for test in TESTS]
        env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        for module, line, was, text in sample:
            target = folder / "meshtui" / "engine" / f"{module}.py"
            original = target.read_text()
            target.write_text(text)
            words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--timeout", "120", *tests]
            done = subprocess.run(words, cwd=folder, env=env, capture_output=True, check=False)
            target.write_text(original)
            if done.returncode == 0:
                survivors.append((module, line, was))
                print(f"survived: {module}.py:{line}: {was}", flush=True)
    print(f"{len(sample) - len(survivors)} of {len(sample)} mutants killed ({len(everything)} possible, seed {seed})")
    return len(survivors)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
