"""All settings. Each setting's docstring is its row in docs/guide/settings.md."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PROBE_IMAGE = "docker.io/curlimages/curl:8.21.0@sha256:7c12af72ceb38b7432ab85e1a265cff6ae58e06f95539d539b654f2cfa64bb13"


def _words(value: Any) -> Any:
    """A list from a variable: ``a,b``, or a JSON list if an item contains a comma.

    Raises ValueError for invalid JSON.
    """
    if not isinstance(value, str):
        return value
    if value.strip().startswith("["):
        return json.loads(value)
    return tuple(word.strip() for word in value.split(",") if word.strip())


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


def _by_id(value: Any) -> Any:
    """Keys by action id. TOML and variables have ``main.probe`` as a table ``main`` with a key ``probe``: it is flattened."""
    if not isinstance(value, dict):
        raise ValueError("a table is wanted, like main.probe = 'x'")  # noqa: TRY004  (pydantic reports ValueErrors)
    found: dict[str, Any] = {}
    for name, keys in value.items():
        below = _by_id(keys) if isinstance(keys, dict) else {"": keys}
        found.update({f"{name}.{rest}" if rest else str(name): chosen for rest, chosen in below.items()})
    return found


KeysById = Annotated[dict[str, str], BeforeValidator(_by_id)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Timeouts(_Group):
    """Timeouts of everything that waits for the network, in seconds."""

    connect_s: float = Field(5.0, gt=0)
    """To establish a connection."""
    request_s: float = Field(30.0, gt=0)
    """To receive the answer to a request; the flag ``--request-timeout``."""
    watch_s: float = Field(300.0, gt=0)
    """Duration of one watch, after which it is opened again."""
    checkout_s: float = Field(15.0, gt=0)
    """To receive the answer to one request of a purchase."""


class Probe(_Group):
    """How probes run (docs/guide/probing.md)."""

    image: str = PROBE_IMAGE
    """The image of probe pods: any that has sh and curl; the flag ``--probe-image``."""
    run_as_user: int = Field(65532, ge=1)
    """The user and group id that probe pods run as."""
    deadline_s: int = Field(60, ge=5, le=600)
    """Maximum lifetime of a probe pod, in seconds."""
    max_pods: int = Field(10, ge=1, le=100)
    """Maximum number of probe pods at the same time."""
    max_flows: int = Field(500, ge=1, le=10_000)
    """Maximum number of flows in one run."""
    attempt_timeout_s: int = Field(4, ge=1, le=30)
    """How long one attempt waits for an answer, in seconds."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """imagePullPolicy of probe pods."""


class Checkout(_Group):
    """The shop in which a checkout buys, and the customer; by default the bookstore."""

    gateway: str = ""
    """The gateway's URL; empty: from the Gateway's status, else its Service's NodePort."""
    host: str = "api.service.net"
    """The Host header of every request; it has to match the HTTPRoute."""
    gateway_namespace: str = "infra"
    """The Gateway's namespace."""
    gateway_name: str = "gateway"
    """The Gateway's name."""
    token_path: str = "/realms/bookstore/protocol/openid-connect/token"
    """The path that issues tokens."""
    client_id: str = "bookstore-ui"
    """The OAuth client id."""
    username: str = "reader"
    """The customer's name."""
    password: str = "reader"
    """The customer's password."""
    token: str = ""
    """A token to use instead of requesting one."""
    book: str = "00000000-0000-0000-0000-000000000001"
    """The id of the book to buy."""
    quantity: int = Field(1, ge=1, le=100)
    """How many books to buy."""
    cart_path: str = "/ecom/cart"
    """The path of the cart."""
    checkout_path: str = "/ecom/checkout"
    """The path of the checkout."""
    stock_path: str = "/inven/stock/{book}"
    """The path of a book's stock."""
    client: str = "ecom/deploy/ecom-service"
    """The workload that makes the reserve call."""
    server: str = "inventory/svc/inventory-service:8000"
    """The Service that receives the reserve call."""
    reserve_path: str = "/inven/stock/reserve"
    """The path of the reserve call."""
    client_account: str = "ecom/ecom-service"
    """The ServiceAccount, NAMESPACE/NAME, that the client has to run as."""
    server_account: str = "inventory/inventory-service"
    """The ServiceAccount, NAMESPACE/NAME, that the server has to run as."""
    expectations: str = "bookstore"
    """The expectations file for acceptance; ``bookstore`` is the one that comes with meshtui."""


class Denials(_Group):
    """Denials from the proxies' logs (docs/guide/denials.md)."""

    follow: bool = False
    """Follow the logs from the start, instead of when the denials are opened first."""


class Mesh(_Group):
    """The mesh's own state, from the ztunnels' admin endpoints (docs/guide/mesh.md)."""

    follow: bool = False
    """Look at the ztunnels from the start and every few minutes, instead of when the mesh pane is opened first."""
    interval_s: float = 300.0
    """The time between two looks, in seconds."""
    ztunnel_namespaces: Words = ()
    """Further namespaces in which the mesh's ztunnels run, if no istiod of the cluster says so (docs/guide/mesh.md)."""


class Settings(_Group):
    """All settings. The variable of a setting is ``MESHTUI_…``, with ``__`` between group and name."""

    kubeconfig: str = ""
    """The kubeconfig; empty: ``$KUBECONFIG``, ``~/.kube/config``, in-cluster. ``--kubeconfig``."""
    context: str = ""
    """The context; empty: the kubeconfig's current one. ``--context``."""
    namespace: str = ""
    """The namespace to show; empty: all. ``-n``."""
    namespaces: Words = ()
    """Namespaces to list one by one, if the whole cluster may not be listed."""
    all_namespaces: bool = False
    """Show all namespaces, even if ``namespace`` is set. ``-A``."""
    impersonate: str = ""
    """The user to impersonate. ``--as``."""
    impersonate_groups: Words = ()
    """The groups to impersonate. ``--as-group``."""
    filenames: Words = ()
    """Manifests to read instead of a cluster. ``-f``."""
    render: bool = False
    """Run ``kubectl kustomize`` and ``helm template`` for kustomizations and charts in manifests. ``--render``."""
    skip_unreadable: bool = False
    """Files that were skipped don't make the exit code 2. ``--skip-unreadable``."""
    verbose: bool = False
    """List what was skipped of manifests, and which kinds weren't read. ``-v``."""
    cni: str = ""
    """The CNI, whose reading of NetworkPolicies counts: ``calico``, ``cilium`` … (docs/guide/verdicts.md), or ``reference``
    for the literal reading of the API. Empty: it is detected; if it isn't known, what CNIs read differently is unknown.
    ``--cni``."""
    pod_cidrs: Words = ()
    """The networks from which pods get their addresses, for pods that have none yet, as in manifests. Empty: the ``podCIDRs`` of
    the Nodes, if there are any. ``--pod-cidr``."""
    read_only: bool = False
    """Refuse every change. ``--read-only``."""
    write: bool = False
    """Allow fixes to be applied; the sandbox always allows it. ``read_only`` takes precedence. ``--write``."""
    read_only_contexts: Words = ()
    """Contexts (glob patterns) in which every change is refused."""
    theme: str = ""
    """The colours of the terminal program: ``meshtui-dark``, ``meshtui-light``, ``meshtui-mono`` or a theme of Textual. Empty:
    the one that was chosen last. ``--theme``."""
    keys: KeysById = {}
    """Other keys for actions, by the action's id (docs/guide/keys.md)."""
    timeouts: Timeouts = Timeouts()
    probe: Probe = Probe()
    checkout: Checkout = Checkout()
    denials: Denials = Denials()
    mesh: Mesh = Mesh()
