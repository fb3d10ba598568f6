"""Renders kustomizations and charts with kubectl and helm, within limits on time and output."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import lru_cache

from meshtui.model.redact import redact

_SAID_CHARS = 300


class RenderError(Exception):
    """The program is missing, fails, or exceeds a limit; the text is the reason, in one line."""


@lru_cache(maxsize=32)
def rendered(words: Sequence[str]) -> bytes:
    """What a program prints. It is run once for the same words: manifests are read once. Raises RenderError."""
    from meshtui.sources.kubernetes.bounded_process import OutputLimitError, TimeLimitError, run_bounded
    from meshtui.sources.kubernetes.limits import RENDER_BYTES, RENDER_S, size

    program = words[0]
    if shutil.which(program) is None:
        raise RenderError(f"{program} isn't on the PATH")
    name = " ".join(words[:2])
    try:
        ended = run_bounded(words, os.environ, seconds=RENDER_S, most_bytes=RENDER_BYTES)
    except TimeLimitError as error:
        raise RenderError(f"{name} took longer than {RENDER_S:.0f} s") from error
    except OutputLimitError as error:
        raise RenderError(f"{name} printed more than {size(RENDER_BYTES)}") from error
    except (OSError, ValueError) as error:
        raise RenderError(f"{name} can't be started: {getattr(error, 'strerror', None) or error}") from error
    if ended.code != 0:
        said = redact(" ".join(ended.said.decode(errors="replace").split()))[-_SAID_CHARS:]
        raise RenderError(f"{name} ended with {ended.code}: {said}")
    return ended.printed
