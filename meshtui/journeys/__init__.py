"""Business transactions as data: requests, the calls that they should cause, and the values that should change.

Each package in this package is an application with its own journeys, findings and code. The other modules here don't import any
of them.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshtui.session.application import Application


@cache
def applications() -> tuple[Application, ...]:
    """The applications that are part of meshtui: the sub-packages, discovered."""
    packages = (info.name for info in pkgutil.iter_modules(__path__) if info.ispkg)
    return tuple(importlib.import_module(f"{__name__}.{name}.application").APPLICATION for name in packages)
