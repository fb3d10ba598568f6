"""Lets tests import their own doubles: ``from tests.fakes.snapshots import snapshot_of``; and the same rules on every machine."""

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent.parent))

# How fast a machine draws examples is nothing that a test may fail for. What gates a change is the same every time;
# TESTS_EXPLORE=1 draws other examples, and finds what nobody thought of.
EXPLORE = bool(os.environ.get("TESTS_EXPLORE"))
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=not EXPLORE)
settings.load_profile("any machine")

# Shells start background jobs with Ctrl-C ignored, and children inherit that: tests send it to the programs that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch, request, tmp_path_factory):
    """Tests never read the kubeconfig or settings of whoever runs them, nor read or write what meshtui remembers for them."""
    if "e2e" in request.keywords:
        return
    monkeypatch.setenv("MESHTUI_CONFIG", os.devnull)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "MESHTUI_CHROMIUM"):  # the last one is for a test
        monkeypatch.delenv(name, raising=False)
