"""A DNS question over UDP on a real node: answered, and not answered."""

import json

import pytest

from tests.e2e.conftest import IMAGE, PROBE, wait_until

DNS, QUIET = "ecom/svc/dns:53", "ecom/svc/dns:5300"
ANSWER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5353))
quiet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
quiet.bind(("", 5354))
while True:
    question, peer = s.recvfrom(4096)
    s.sendto(question[:2] + b"\\x81\\x83" + question[4:], peer)
"""


@pytest.fixture
def server(node):
    """Something that answers every question with "no such name"."""
    meta = {"name": "dns", "namespace": "ecom", "labels": {"app": "dns"}}
    container = {"name": "dns", "image": IMAGE, "imagePullPolicy": "Never", "command": ["python3", "-u", "-c", ANSWER]}
    ports = [
        {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"},
        {"name": "dns-quiet", "port": 5300, "targetPort": 5354, "protocol": "UDP"},
    ]
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    objects = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": "dns"}, "ports": ports}},
    ]
    node.apply(objects)
    wait_until(lambda: node.get("/api/v1/namespaces/ecom/pods/dns")["status"]["phase"], lambda phase: phase == "Running", 60)
    yield
    node.delete(objects)


def outcome(done):
    assert done.stdout, done.stderr
    return json.loads(done.stdout)["observed"]["outcome"]


def test_a_question_is_answered(node, server, clean_slate):
    done = node.meshtui("probe", "observability/deploy/prometheus", DNS, "--protocol", "UDP", *PROBE)
    assert outcome(done) == "connected"


def test_silence_is_a_timeout(node, server, clean_slate):
    done = node.meshtui("probe", "observability/deploy/prometheus", QUIET, "--protocol", "UDP", *PROBE)
    assert outcome(done) == "timeout"
