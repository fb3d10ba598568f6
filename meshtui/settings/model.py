"""What can be set. Each setting's docstring is its line in docs/guide/settings.md."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PROBE_IMAGE = "docker.io/curlimages/curl:8.21.0@sha256:7c12af72ceb38b7432ab85e1a265cff6ae58e06f95539d539b654f2cfa64bb13"


def _words(value: Any) -> Any:
    """A list from a variable: ``a,b``, or a JSON list where a value holds a comma. Raises ValueError for broken JSON."""
    if not isinstance(value, str):
        return value
    if value.strip().startswith("["):
        return json.loads(value)
    return tuple(word.strip() for word in value.split(",") if word.strip())


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Timeouts(_Group):
    """Every wait on the network, in seconds."""

    connect_s: float = Field(5.0, gt=0)
    """Until a connection is there."""
    request_s: float = Field(30.0, gt=0)
    """Until a request is answered; the flag ``--request-timeout``."""
    watch_s: float = Field(300.0, gt=0)
    """How long one watch lasts before it is opened anew."""
    checkout_s: float = Field(15.0, gt=0)
    """Until one request of a purchase is answered."""


class Probe(_Group):
    """How probes run (docs/guide/probing.md)."""

    image: str = PROBE_IMAGE
    """The image of probe pods: any that has sh and curl; the flag ``--probe-image``."""
    run_as_user: int = Field(65532, ge=1)
    """The uid and gid that probe pods run as."""
    deadline_s: int = Field(60, ge=5, le=600)
    """How long a probe pod may live, in seconds."""
    max_pods: int = Field(10, ge=1, le=100)
    """Probe pods at the same time."""
    max_flows: int = Field(500, ge=1, le=10_000)
    """Flows in one run."""
    attempt_timeout_s: int = Field(4, ge=1, le=30)
    """How long one attempt waits for an answer, in seconds."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """imagePullPolicy of probe pods."""


class Checkout(_Group):
    """Where a checkout happens, and as whom; the bookstore's by default. ``gateway`` empty means: ask the cluster."""

    gateway: str = ""
    """The gateway's URL; empty: from the Gateway's status, else its Service's NodePort."""
    host: str = "api.service.net"
    """The Host of every request: the one that the route takes."""
    gateway_namespace: str = "infra"
    """Where the Gateway is."""
    gateway_name: str = "gateway"
    """The Gateway's name."""
    token_path: str = "/realms/bookstore/protocol/openid-connect/token"
    """Where a token is asked for."""
    client_id: str = "bookstore-ui"
    """The OAuth client that asks."""
    username: str = "reader"
    """The customer."""
    password: str = "reader"
    """The customer's password."""
    token: str = ""
    """A ready token, instead of asking for one."""
    book: str = "00000000-0000-0000-0000-000000000001"
    """The id of the book that is bought."""
    quantity: int = Field(1, ge=1, le=100)
    """How many."""
    cart_path: str = "/ecom/cart"
    """The cart."""
    checkout_path: str = "/ecom/checkout"
    """The checkout."""
    stock_path: str = "/inven/stock/{book}"
    """A book's stock."""
    client: str = "ecom/deploy/ecom-service"
    """The workload that makes the reserve call."""
    server: str = "inventory/svc/inventory-service:8000"
    """The Service that takes it."""
    reserve_path: str = "/inven/stock/reserve"
    """The reserve call's path."""
    client_account: str = "ecom/ecom-service"
    """The ServiceAccount, NAMESPACE/NAME, as which the client has to run."""
    server_account: str = "inventory/inventory-service"
    """The ServiceAccount, NAMESPACE/NAME, as which the server has to run."""
    expectations: str = "bookstore"
    """The expectations file that acceptance verifies; ``bookstore`` is the shipped one."""


class Denials(_Group):
    """What the proxies' logs say was denied (docs/guide/denials.md)."""

    follow: bool = False
    """Follow the logs from the start, not only once the denials have been looked at."""


class Settings(_Group):
    """All settings. Environment variables are ``MESHTUI_…``, with ``__`` between group and name."""

    kubeconfig: str = ""
    """The kubeconfig; empty: ``$KUBECONFIG``, ``~/.kube/config``, in-cluster. ``--kubeconfig``."""
    context: str = ""
    """The context; empty: the kubeconfig's current one. ``--context``."""
    namespace: str = ""
    """The namespace that is shown; empty: all. ``-n``."""
    namespaces: Words = ()
    """Namespaces to read, one by one, where the whole cluster may not be listed."""
    all_namespaces: bool = False
    """Show all namespaces, whatever ``namespace`` says. ``-A``."""
    impersonate: str = ""
    """The user to act as. ``--as``."""
    impersonate_groups: Words = ()
    """The groups to act as. ``--as-group``."""
    filenames: Words = ()
    """Manifests to read instead of a cluster. ``-f``."""
    read_only: bool = False
    """Never change anything. ``--read-only``."""
    write: bool = False
    """Whether fixes may be applied; the sandbox always lets them. ``read_only`` wins."""
    read_only_contexts: Words = ()
    """Contexts (glob patterns) in which nothing is ever changed."""
    timeouts: Timeouts = Timeouts()
    probe: Probe = Probe()
    checkout: Checkout = Checkout()
    denials: Denials = Denials()
