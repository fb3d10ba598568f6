"""Where settings come from, and what is said when they are wrong."""

import pytest

from meshtui.model.errors import ConfigError
from meshtui.settings import load_settings


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the configuration file."""
    path = tmp_path / "config.toml"
    path.write_text("")
    monkeypatch.setenv("MESHTUI_CONFIG", str(path))
    return path.write_text


def test_without_a_file_there_are_defaults(written):
    settings = load_settings()
    assert settings.read_only is False
    assert settings.probe.deadline_s == 60
    assert "@sha256:" in settings.probe.image


def test_flags_over_environment_over_file_over_defaults(written, monkeypatch):
    written('context = "file"\nnamespace = "file"\n[probe]\nimage = "file"\ndeadline_s = 10\nmax_pods = 3\n')
    monkeypatch.setenv("MESHTUI_NAMESPACE", "environment")
    monkeypatch.setenv("MESHTUI_PROBE__IMAGE", "environment")
    settings = load_settings({"context": "flag"})
    assert (settings.context, settings.namespace) == ("flag", "environment")
    assert (settings.probe.image, settings.probe.deadline_s, settings.probe.max_pods) == ("environment", 10, 3)
    assert settings.probe.attempt_timeout_s == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[probe]\ndeadline_s = 1", "probe.deadline_s"),
        ("[probe]\npull_policy = 'Sometimes'", "probe.pull_policy"),
        ("[timeouts]\nconnect_s = 0", "timeouts.connect_s"),
        ("colour = 'red'", "colour"),
        ("[probe]\ncolour = 'red'", "probe.colour"),
        ("this isn't TOML", "config.toml"),
        ("probe = 7", "probe"),
    ],
)
def test_what_is_wrong_is_named(written, text, says):
    written(text)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_file_may_be_unreadable(tmp_path, monkeypatch):
    monkeypatch.setenv("MESHTUI_CONFIG", str(tmp_path))
    try:
        settings = load_settings()
    except ConfigError as error:
        assert str(tmp_path) in str(error)  # noqa: PT017  (either is fine; a traceback isn't)
    else:
        assert settings.context == ""


def test_settings_cannot_be_changed_behind_anybodys_back(written):
    with pytest.raises(ValueError, match="frozen"):
        load_settings().read_only = True


def test_a_configuration_file_that_is_named_must_be_there(tmp_path, monkeypatch):
    """A typo must not lose ``read_only_contexts``."""
    monkeypatch.setenv("MESHTUI_CONFIG", str(tmp_path / "confg.toml"))
    with pytest.raises(ConfigError, match=r"\$MESHTUI_CONFIG names .*confg\.toml, which isn't there"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("prod-*", ("prod-*",)),
        ("prod-*, stage", ("prod-*", "stage")),
        ('["prod-*", "with,comma"]', ("prod-*", "with,comma")),
        ("", ()),
    ],
)
def test_a_list_in_a_variable_is_separated_by_commas(written, monkeypatch, text, value):
    monkeypatch.setenv("MESHTUI_READ_ONLY_CONTEXTS", text)
    assert load_settings().read_only_contexts == value


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MESHTUI_READ_ONLY_CONTEXTS", '["prod-*"', "$MESHTUI_READ_ONLY_CONTEXTS (setting read_only_contexts)"),
        ("MESHTUI_PROBE__DEADLINE_S", "soon", "$MESHTUI_PROBE__DEADLINE_S (setting probe.deadline_s)"),
        ("MESHTUI_READ_ONLY", "perhaps", "$MESHTUI_READ_ONLY (setting read_only)"),
        ("MESHTUI_PROBE__IMGE", "x", "did you mean MESHTUI_PROBE__IMAGE?"),
    ],
)
def test_a_wrong_variable_is_blamed_and_no_file(monkeypatch, tmp_path, name, value, says):
    monkeypatch.delenv("MESHTUI_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert says in str(caught.value)
    assert "config.toml" not in str(caught.value)


def test_a_wrong_line_in_the_file_blames_the_file(written, monkeypatch):
    written("[probe]\ndeadline_s = 1\n")
    monkeypatch.setenv("MESHTUI_PROBE__MAX_PODS", "2")
    with pytest.raises(ConfigError, match=r"config\.toml: setting probe\.deadline_s"):
        load_settings()


def warnings_of(monkeypatch, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = []
    load_settings(warn=said.append)
    return said


def test_a_variable_that_sets_nothing_is_told(written, monkeypatch, capsys):
    said = warnings_of(monkeypatch, MESHTUI_READONLY="true")
    assert said == ["$MESHTUI_READONLY sets nothing: there is no such setting; did you mean MESHTUI_READ_ONLY?"]
    load_settings()
    assert capsys.readouterr().err == f"meshtui: warning: {said[0]}\n"


def test_variables_of_settings_to_come_and_of_tests_are_accepted(written, monkeypatch):
    assert warnings_of(monkeypatch, MESHTUI_CNI="calico", MESHTUI_E2E_KUBECONFIG="x", MESHTUI_NAMESPACE="a") == []
