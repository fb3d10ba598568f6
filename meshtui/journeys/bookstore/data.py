"""The checkout's journey as part of meshtui."""

from __future__ import annotations

from functools import cache
from importlib import resources

from meshtui.journeys.load import read
from meshtui.journeys.model import Journey

_FILE = "checkout.toml"


@cache
def checkout_journey() -> Journey:
    """The journey with steps, requests, the reserve call and the gauge of the stock."""
    return read(_FILE, resources.files("meshtui.journeys.bookstore").joinpath(_FILE).read_bytes())
