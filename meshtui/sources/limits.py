"""How much a server, a plugin or a file may give, and how long it may take. Beyond a limit there is an error that names it."""

from __future__ import annotations

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

BODY_BYTES = 64 * MIB
"""One answer, after decompression: a page of 500 objects is a few MiB."""
ERROR_BODY_BYTES = 1 * MIB
"""The body of an error: what comes after it isn't read."""
INFLATION = 200
"""How many times its size a compressed answer may have, beyond the first MiB: lists compress 10 to 30 times."""
EVENT_BYTES = 8 * MIB
"""One event of a watch: etcd keeps no object over 1.5 MiB."""
LOG_LINE_BYTES = 256 * KIB
"""One line of a log: a longer one is taken in parts."""
LIST_PAGES = 1000
"""Pages of one list, 500 objects each."""
LIST_OBJECTS = 300_000
"""Objects of one kind: twice what Kubernetes is made for."""
LIST_BYTES = 1 * GIB
"""All pages of one list."""
RETRY_AFTER_S = 120.0
"""The longest wait that a server's Retry-After can ask for."""
MESSAGE_CHARS = 500
"""Characters of a server's own words that are kept."""
PLUGIN_BYTES = 1 * MIB
"""What an exec plugin may print: a credential is a few KiB."""
PLUGIN_SAID_CHARS = 600
"""Characters of a plugin's stderr that are kept: the last ones say what went wrong."""
PLUGIN_S = 120.0
"""How long a plugin may take: enough for a login in a browser."""
FILE_BYTES = 8 * MIB
"""A kubeconfig or a token file."""
FILE_S = 5.0
"""How long whoever writes into a pipe that stands for a file may take."""


def size(count: int) -> str:
    """A limit in words: ``64 MiB``."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:.0f} {name}"
    return f"{count} bytes"
