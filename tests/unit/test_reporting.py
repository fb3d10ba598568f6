"""An error that nobody expected: one line, and a report that its owner alone can read and that holds no secret."""

import base64
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.reporting import report_unexpected, without_secrets

KEY = base64.b64encode(bytes(range(200))).decode()
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl"
SECRETS = {
    "a bearer token": f"Authorization: Bearer {JWT}",
    "a token": f"token: {JWT}",
    "a password": "password=hunter2hunter2",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----",
    "a certificate": "-----BEGIN CERTIFICATE-----\nMIIDdz\nabc\n-----END CERTIFICATE-----",
    "a key of a kubeconfig": f"client-key-data: {KEY}",
    "the user of a URL": "https://admin:hunter2hunter2@api.example:6443",
}
WORDS = {JWT, "hunter2hunter2", "MIIEow", "MIIDdz", KEY}


@pytest.fixture
def state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def written(line):
    return Path(next(word for word in line.split() if word.endswith(".txt")))


def fault(message):
    try:
        raise RuntimeError(message)  # noqa: TRY301  (it needs a traceback)
    except RuntimeError as error:
        return error


def test_the_report_says_what_when_and_where(state):
    line = report_unexpected(fault("it broke"), ["check", "-f", "a b"])
    assert "\n" not in line
    assert "RuntimeError: it broke" in line
    text = written(line).read_text()
    assert "RuntimeError: it broke" in text
    assert "in fault" in text
    assert "command: meshtui check -f 'a b'" in text
    assert written(line).is_relative_to(state)


def test_it_is_its_owners_alone(state):
    file = written(report_unexpected(fault("x"), []))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("what", sorted(SECRETS))
def test_no_secret_is_in_it(state, what):
    line = report_unexpected(fault(f"it said {SECRETS[what]} there"), ["--token", "hunter2hunter2"])
    text = line + written(line).read_text()
    assert not [word for word in WORDS if word in text]


def test_the_environment_is_not_in_it(state, monkeypatch):
    monkeypatch.setenv("MY_VARIABLE", "a value of mine")
    line = report_unexpected(fault("x"), [])
    assert "a value of mine" not in written(line).read_text()
    assert "MY_VARIABLE" not in written(line).read_text()


def test_a_folder_that_cannot_be_made_is_no_second_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    line = report_unexpected(fault("it broke"), [])
    assert "it broke" in line
    assert "no report could be written" in line


def test_an_error_of_endless_depth_does_not_fill_a_disk(state):
    line = report_unexpected(fault("x" * 10_000_000), [])
    assert len(line) < 1000
    assert written(line).stat().st_size < 200_000


def test_the_reports_of_two_faults_are_two_files(state):
    assert written(report_unexpected(fault("x"), [])) != written(report_unexpected(fault("x"), []))


@given(st.text())
def test_any_text_can_be_reported(text):
    assert isinstance(without_secrets(text), str)
    assert os.sep not in without_secrets("plain words")
