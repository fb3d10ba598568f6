"""Runs kubectl's exec plugins, which print a credential.

The kubernetes client gives them the terminal (and with it key presses for meshtui), and loses their error messages. Here a
plugin has no terminal, limits on its time and output, and its error message is part of the error.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kubernetes.config import ConfigException
from kubernetes.config.dateutil import parse_rfc3339
from kubernetes.config.kube_config import KubeConfigLoader

from meshtui.model.redact import redact
from meshtui.sources.kubernetes.bounded_process import Ended, OutputLimitError, TimeLimitError, run_bounded
from meshtui.sources.kubernetes.interrupt import read_file
from meshtui.sources.kubernetes.limits import MIB, PLUGIN_BYTES, PLUGIN_S, PLUGIN_SAID_CHARS, size
from meshtui.sources.kubernetes.pem import Content, Pem, pem_of

_TOKEN_FILE_AGAIN = timedelta(minutes=6)
"""The client reads a token again five minutes before it expires. This expiry makes it read a token file every minute."""
_LOGINS = {
    "aws": "aws sso login",
    "aws-iam-authenticator": "aws sso login",
    "gke-gcloud-auth-plugin": "gcloud auth login",
    "gcloud": "gcloud auth login",
    "kubelogin": "az login, or kubelogin itself",
    "kubectl-oidc_login": "kubectl oidc-login setup, or kubelogin itself",
    "tsh": "tsh login",
    "doctl": "doctl auth init",
    "oci": "oci session authenticate",
    "ibmcloud": "ibmcloud login",
}
"""How to log in, for well-known plugins."""


class PluginError(Exception):
    """A plugin returned no credential. The message has the plugin's own error message; the hint says how to log in."""


def run_plugin(spec: Mapping[str, Any], folder: str, cluster: Mapping[str, Any] | None) -> dict[str, Any]:
    """The ``status`` that a plugin prints (client-go credential plugins, ExecCredential). Raises PluginError.

    ``folder`` is the kubeconfig's: as in kubectl, a command with a slash is relative to it.
    """
    command = str(spec.get("command") or "")
    version = str(spec.get("apiVersion") or "")
    if not command or not version:
        raise PluginError("exec plugin: the kubeconfig names no command or no apiVersion")
    path = str(Path(folder, command)) if "/" in command else command
    asked: dict[str, Any] = {"interactive": False}
    if spec.get("provideClusterInfo") and cluster:
        asked["cluster"] = _cluster_info(cluster)
    environment = {**os.environ, **{str(item["name"]): str(item["value"]) for item in spec.get("env") or ()}}
    environment["KUBERNETES_EXEC_INFO"] = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": asked})
    try:
        ended = run_bounded([path, *map(str, spec.get("args") or ())], environment)
    except TimeLimitError as error:
        raise PluginError(_why(command, f"no answer within {PLUGIN_S:.0f} s", error.said, "")) from error
    except OutputLimitError as error:
        raise PluginError(_why(command, f"it printed more than {size(PLUGIN_BYTES)}", error.said, "")) from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in an argument
        reason = getattr(error, "strerror", None) or str(error)
        raise PluginError(_why(command, f"{reason}: {path}", None, str(spec.get("installHint") or ""))) from error
    if ended.code != 0:
        raise PluginError(_why(command, f"it ended with {ended.code}", ended.said, ""))
    return _status(command, version, ended)


def _status(command: str, version: str, done: Ended) -> dict[str, Any]:
    try:
        answer = json.loads(done.printed)
        kind, given, status = answer["kind"], answer["apiVersion"], answer["status"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # what it printed may be a secret: it is never shown
        raise PluginError(_why(command, "what it printed isn't an ExecCredential", done.said, "")) from error
    if kind != "ExecCredential" or given != version:
        raise PluginError(_why(command, f"it answers {given} {kind}, and the kubeconfig asks for {version}", None, ""))
    if not isinstance(status, dict) or not (status.get("token") or status.get("clientCertificateData")):
        raise PluginError(_why(command, "missing token or clientCertificateData in its answer", done.said, ""))
    if status.get("clientCertificateData") and not status.get("clientKeyData"):
        raise PluginError(_why(command, "missing clientKeyData in its answer", done.said, ""))
    return status


def _cluster_info(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """The information about the cluster for a plugin; ``config`` is the kubeconfig's extension for it."""
    extensions = cluster.get("extensions") or ()
    own = next((e["extension"] for e in extensions if e.get("name") == "client.authentication.k8s.io/exec"), None)
    return {key: value for key, value in cluster.items() if key != "extensions"} | ({"config": own} if own else {})


def _why(command: str, problem: str, said: bytes | None, install: str) -> str:
    name = Path(command).name
    words = redact(" ".join((said or b"").decode(errors="replace").split()))[-PLUGIN_SAID_CHARS:]
    login = _LOGINS.get(name, f"log in as you do before kubectl works; {name} then gives a token")
    parts = [f"exec plugin {name}: {problem}", words, " ".join(install.split()), "" if install else f"to log in: {login}"]
    return "; ".join(part for part in parts if part)


class Loader(KubeConfigLoader):  # type: ignore[misc]  # the client has no types
    """The client's kubeconfig loader, with plugins run by ``run_plugin``, and certificates and keys kept in memory."""

    cert_file: Pem | None
    key_file: Pem | None

    def _load_user_token(self) -> bool | None:
        """Called by the client. As in client-go, a token file takes precedence, is stripped, and is read again every minute."""
        path = self._user.safe_get("tokenFile")
        if not path:
            token = str(self._user.safe_get("token") or "").strip()
        else:
            path = os.path.normpath(Path(self._get_base_path(self._user.path), str(path)))
            token = read_file(path, limit=MIB).decode(errors="surrogateescape").strip()
            self.expiry = datetime.now(UTC) + _TOKEN_FILE_AGAIN
            if not token:
                raise OSError(0, "the token file is empty", path)
        if not token:
            return None
        self.token = f"Bearer {token}"
        return True

    def _load_user_pass_token(self) -> bool | None:
        """Called by the client, whose own method supports Latin-1 only."""
        name, password = self._user.safe_get("username"), self._user.safe_get("password")
        if name is None or password is None:
            return None
        self.token = f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"
        return True

    def _load_from_exec_plugin(self) -> bool | None:
        """Called by the client, at first and five minutes before a token expires. Errors are logged."""
        if "exec" not in self._user:
            return None
        folder = self._get_base_path(self._user.path)
        cluster = self._cluster.value if self._cluster else None
        try:
            status = run_plugin(self._user["exec"].value, folder, cluster)
        except PluginError as error:
            logging.getLogger(__name__).error("%s", error)  # noqa: TRY400  (a message for a person)
            return None
        if status.get("token"):
            self.token = f"Bearer {status['token']}"
        if status.get("clientCertificateData"):
            self.cert_file = Content(str(status["clientCertificateData"]).encode())
            self.key_file = Content(str(status["clientKeyData"]).encode())
        if status.get("expirationTimestamp"):
            self.expiry = parse_rfc3339(status["expirationTimestamp"])
        return True

    def _load_cluster_info(self) -> None:
        """Called by the client, whose own method writes certificates and keys to temporary files. Raises ConfigException."""
        cluster, user = (node.value if node else {} for node in (self._cluster, self._user))
        if cluster.get("server"):
            self.host = str(cluster["server"]).rstrip("/")
            if self.host.startswith("https"):
                self.ssl_ca_cert = _existing(pem_of(cluster, "certificate-authority", self._get_base_path(self._cluster.path)))
                if user and "cert_file" not in self.__dict__:  # else it is the plugin's
                    folder = self._get_base_path(self._user.path)
                    self.cert_file = _existing(pem_of(user, "client-certificate", folder))
                    self.key_file = _existing(pem_of(user, "client-key", folder))
        if "insecure-skip-tls-verify" in cluster:
            self.verify_ssl = not cluster["insecure-skip-tls-verify"]
        if "tls-server-name" in cluster:
            self.tls_server_name = cluster["tls-server-name"]


def _existing(pem: Pem | None) -> Pem | None:
    if isinstance(pem, str) and not Path(pem).is_file():
        raise ConfigException(f"the file does not exist: {pem}")
    return pem
