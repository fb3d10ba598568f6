"""Code that ``checkout`` and ``acceptance`` share: their flags as settings, and the progress of a purchase."""

from __future__ import annotations

import sys
import uuid

from pydantic import ValidationError

from meshtui.journeys.bookstore.trace import StepState, Trace
from meshtui.model.errors import UsageError
from meshtui.settings import Checkout, Settings


def with_flags(settings: Settings, *, book: str | None, quantity: int | None, gateway: str | None) -> Settings:
    """Settings with the flags of the command line. Raises UsageError."""
    given = {"book": book, "quantity": quantity, "gateway": gateway}
    if book is not None:
        try:
            uuid.UUID(book)
        except ValueError as error:
            raise UsageError(f"--book {book!r} isn't a UUID") from error
    changes = {name: value for name, value in given.items() if value is not None}
    try:
        checkout = Checkout.model_validate(settings.checkout.model_dump() | changes)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    return settings.model_copy(update={"checkout": checkout})


def showing(trace: Trace) -> None:
    """Show the running step in the last line of a terminal."""
    if sys.stderr.isatty():
        step = next((step for step in trace.steps if step.state is StepState.RUNNING), None)
        sys.stderr.write(f"\r\x1b[K… {step.title}" if step and not trace.finished else "\r\x1b[K")
        sys.stderr.flush()
