"""Lets tests import their own doubles: ``from tests.fakes.snapshots import snapshot_of``."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch, tmp_path_factory, request):
    """Tests never read the kubeconfig or settings of whoever runs them."""
    if "e2e" in request.keywords:
        return
    monkeypatch.setenv("MESHTUI_CONFIG", str(tmp_path_factory.getbasetemp() / "no-such-config.toml"))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
