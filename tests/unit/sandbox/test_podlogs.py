"""The logs of pods: whoever follows a container reads what the data plane says for its pod, whoever came first."""

import pytest

from meshtui.sandbox.apiserver.podlogs import PodLogFiles


@pytest.fixture
def logs(tmp_path):
    made = PodLogFiles(tmp_path)
    yield made
    made.close()


def texts(reader):
    return [line.partition(b" ")[2] for line in reader.lines()]


def test_a_follower_who_came_before_the_first_line_reads_it(logs):
    logs.begin("u", "istio-proxy")
    reader = logs.reader("u", "istio-proxy")
    logs.append("u", "said by the data plane")
    assert texts(reader) == [b"said by the data plane\n"]
    assert texts(logs.reader("u", "istio-proxy")) == [b"said by the data plane\n"]


def test_what_a_container_says_itself_hides_nothing(logs):
    logs.append("u", "one")
    logs.append("u", "two", "proxy")
    assert texts(logs.reader("u", "proxy")) == texts(logs.reader("u", "")) == [b"one\n", b"two\n"]


def test_containers_keep_their_own(logs):
    logs.append("u", "of a", "a")
    logs.append("u", "of b", "b")
    assert (texts(logs.reader("u", "a")), texts(logs.reader("u", "b"))) == ([b"of a\n"], [b"of b\n"])
    assert logs.reader("v", "a") is None


def test_a_shared_log_is_removed_once(logs, tmp_path):
    logs.begin("u", "proxy")
    logs.append("u", "x")
    logs.forget("u")
    assert logs.reader("u", "proxy") is None
    assert list(tmp_path.iterdir()) == []
