"""One module opens port-forwards, and what it can send is written there once: two GETs, each to its port."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import meshtui
from meshtui.sources.kubernetes import forward

PACKAGE = Path(meshtui.__file__).parent
HERE = "sources/kubernetes/forward.py"
WORD = "portforward"
PATHS = {"/config_dump", "/debug/syncz", "/quitquitquit", "/logging", "/debug/pprof/profile", "/debug/pprof/heap"}
"""What ztunnel's and istiod's ports have."""


def modules():
    """Every module outside the sandbox, which is a server, by its path."""
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("sandbox/"):
            yield name, ast.parse(path.read_text())


def _docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def test_no_other_module_builds_the_path_of_a_port_forward_or_switches_protocols():
    """Access reviews name the resource; that is all they can do with it."""
    paths, switches = {}, set()
    for name, tree in modules():
        documented = set(_docstrings(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD in node.value and node not in documented:
                paths.setdefault(name, set()).add(node.value)
            if isinstance(node, ast.Attribute) and node.attr == "switched":
                switches.add(name)
    assert set(paths) == {HERE, "sources/kubernetes/mesh_rights.py"}
    assert paths["sources/kubernetes/mesh_rights.py"] == {WORD}
    assert switches == {HERE}


def test_the_paths_of_the_ports_are_written_in_one_place():
    found = {}
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and node.value in PATHS:
                found.setdefault(name, []).append(node.value)
    assert found == {HERE: ["/config_dump", "/debug/syncz"]}


def test_all_that_can_be_sent():
    assert [question.value[:2] for question in forward._Question] == [(15000, "/config_dump"), (15014, "/debug/syncz")]
    tree = ast.parse(inspect.getsource(forward))
    requests = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Request")]
    assert [{each.arg: ast.unparse(each.value) for each in request.keywords} for request in requests] == [
        {"method": "'GET'", "target": "target", "headers": "[('Host', 'localhost'), ('Connection', 'close')]"}
    ]
    senders = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "forward.send"]
    assert len(senders) == 1


def test_nobody_chooses_a_port_a_method_or_a_path():
    public = {name: set(inspect.signature(each).parameters) for name, each in vars(forward).items() if _is_public(each)}
    assert public == {"config_dump": {"api", "pod", "make_room"}, "syncz": {"api", "pod"}}


def _is_public(each):
    return inspect.isfunction(each) and each.__module__ == forward.__name__ and not each.__name__.startswith("_")


def test_the_libraries_are_imported_at_the_first_port_forward():
    late = {"h11", "httpx", "websockets", "kubernetes"}
    code = f"import sys, meshtui.sources.kubernetes.mesh_look; print({late} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
