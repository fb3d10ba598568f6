"""The few metrics of a ztunnel that are read."""

import pytest

from meshtui.ztunnel.look import Metrics
from meshtui.ztunnel.metrics import is_wanted, read_metrics
from tests.fakes.recordings import recording

TEXT = """\
# HELP istio_build Istio component build info.
# TYPE istio_build gauge
istio_build{component="ztunnel",tag="1.30.1"} 1
# TYPE istio_xds_connection_terminations counter
istio_xds_connection_terminations_total{reason="ConnectionError"} 8
istio_xds_connection_terminations_total{reason="Complete"} 2.0
istio_xds_connection_terminations_total{reason="Complete"} 1 1700000000
istio_tcp_connections_opened_total{reporter="source",source_workload="workload_manager_active_proxy_count 9"} 3
workload_manager_active_proxy_count 4
workload_manager_active_proxy_counter 5
workload_manager_pending_proxy_count 0
# EOF
"""
READ = Metrics(4, 0, "1.30.1", {"ConnectionError": 8, "Complete": 3})


def test_what_is_read():
    assert read_metrics(TEXT.splitlines()) == READ
    assert read_metrics(filter(is_wanted, TEXT.splitlines())) == READ
    assert sum(map(is_wanted, TEXT.splitlines())) == 6


def test_what_is_not_there_is_none():
    assert read_metrics([]) == Metrics()
    assert read_metrics(["# EOF"]).active_pods is None


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "x", "", "1e999"])
def test_a_number_that_is_none_is_left_out(value):
    assert read_metrics([f"workload_manager_active_proxy_count {value}"]).active_pods is None


@pytest.mark.parametrize(
    ("labels", "version"),
    [
        ('tag="1.27.0",component="ztunnel"', "1.27.0"),
        (r'tag="a\"b\\c\nd"', 'a"b\\c\nd'),
        ('tag="unknown"', ""),
        ('component="ztunnel"', ""),
        ('tag="}",x="{"', "}"),
    ],
)
def test_the_version(labels, version):
    assert read_metrics([f"istio_build{{{labels}}} 1"]).version == version


def test_endless_reasons_are_not_kept():
    lines = [f'istio_xds_connection_terminations_total{{reason="{number}"}} 1' for number in range(1000)]
    assert len(read_metrics(lines).xds_terminations) == 32


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("after-traffic.worker-1.txt", Metrics(4, 0, "1.31-dev", {"ConnectionError": 8})),
        ("pending-proxy.worker-2.txt", None),
        ("startup-no-istiod-no-cni.worker-1.txt", None),
        ("dedicated-local-xds.txt", None),
    ],
)
def test_recordings(name, expected):
    found = read_metrics(recording("metrics", name).splitlines())
    assert found.version == "1.31-dev"
    if expected is not None:
        assert found == expected
    if name.startswith("pending"):
        assert found.pending_pods == 1
    if name.startswith("dedicated"):
        assert not found.active_pods


def test_a_version_without_an_end_is_cut():
    assert len(read_metrics([f'istio_build{{tag="{"9" * 9999}"}} 1']).version) == 253
