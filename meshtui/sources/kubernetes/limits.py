"""Limits on the size and duration of answers of servers, plugins and files. Exceeding one is an error that names it."""

from __future__ import annotations

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

BODY_BYTES = 64 * MIB
"""One answer, after decompression. A page of 500 objects has a few MiB."""
ERROR_BODY_BYTES = 1 * MIB
"""The body of an error. The rest isn't read."""
INFLATION = 200
"""Maximum ratio of decompressed to compressed size, beyond the first MiB. For lists it is 10 to 30."""
EVENT_BYTES = 8 * MIB
"""One event of a watch. etcd's limit for an object is 1.5 MiB."""
LOG_LINE_BYTES = 256 * KIB
"""One line of a log. A longer line is split."""
LIST_PAGES = 1000
"""Pages of one list, 500 objects each."""
LIST_OBJECTS = 300_000
"""Objects of one kind: twice the number of pods that Kubernetes supports."""
LIST_BYTES = 1 * GIB
"""All pages of one list."""
DUMP_BYTES = 512 * MIB
"""A ztunnel's config dump. With 10,000 pods it has some 10 to 50 MiB."""
DUMPS_IN_FLIGHT_BYTES = 48 * MIB
"""All dumps that are being read. A larger one is read alone."""
FORWARD_FRAME_BYTES = 1 * MIB
"""One message of a port-forward. A kubelet sends 32 KiB."""
FORWARD_HEAD_BYTES = 64 * KIB
"""The status line and headers of an answer through a port-forward, or one line of its chunks."""
FORWARD_S = 300.0
"""How long an answer through a port-forward may take, without the time in which nobody reads it."""
METRICS_LINES = 10_000
"""The lines of a ztunnel's metrics that are kept. Ten are wanted."""
RETRY_AFTER_S = 120.0
"""The maximum delay from a server's Retry-After header."""
MESSAGE_CHARS = 500
"""Characters of a server's error message that are kept."""
PLUGIN_BYTES = 1 * MIB
"""The output of an exec plugin. A credential has a few KiB."""
PLUGIN_SAID_CHARS = 600
"""Characters at the end of a plugin's stderr that are kept."""
PLUGIN_S = 120.0
"""The duration of a plugin: enough for a login in a browser."""
RENDER_BYTES = 64 * MIB
"""The output of ``kubectl kustomize`` or ``helm template``."""
RENDER_S = 60.0
"""The duration of one of them: enough to fetch a remote base."""
FILE_BYTES = 8 * MIB
"""The size of a kubeconfig or token file."""
FILE_S = 5.0
"""How long the writer of a pipe that is used as a file may take."""


def size(count: int) -> str:
    """A limit as text: ``64 MiB``."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:.0f} {name}"
    return f"{count} bytes"
