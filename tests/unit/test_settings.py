"""Where settings come from, and what is said when they are wrong."""

import pytest

from meshtui.model.errors import ConfigError
from meshtui.settings import load_settings


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the configuration file."""
    path = tmp_path / "config.toml"
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
        ("this is no TOML", "config.toml"),
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
