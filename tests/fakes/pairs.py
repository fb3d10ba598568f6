"""What all pairs at once say, beside what the engine says of single flows."""

from meshtui.engine.engine import Engine
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Proxied
from tests.fakes.snapshots import judge

FLOW = "a/web > b/api:8080"


def agreed(snapshot, flow=FLOW):
    """The verdict on ``FROM > TO:PORT`` between pods, after a look whether the matrix gives the same one."""
    verdict = judge(snapshot, flow)
    source, destination = (end.partition(":")[0] for end in flow.split(" > "))
    matrix = Matrix(snapshot)
    one, other = (matrix.class_of(each) for each in (source, destination))
    cell = Proxied(matrix).whole(one, other, matrix.cell(one, other))
    assert cell.at(int(flow.rpartition(":")[2])).decision is verdict.decision
    return verdict


def decisions(snapshot, *asked):
    """The decisions on (port, protocol) of every pair of classes, after a look whether matrix and engine give the same."""
    engine, matrix = Engine(snapshot), Matrix(snapshot)
    found = {}
    for source, cells in Proxied(matrix).rows():
        for destination, cell in zip(matrix.classes, cells, strict=True):
            if source is destination:
                continue
            one, other = (next(iter(each.pods.values())) for each in (source, destination))
            for port, protocol in asked:
                said = engine.between(engine.endpoint(one), engine.endpoint(other), port, protocol)
                assert cell.at(port, protocol).decision is said.decision, (one.key, other.key, port, protocol)
                found[one.key, other.key, port, protocol] = said.decision.value
    return found
