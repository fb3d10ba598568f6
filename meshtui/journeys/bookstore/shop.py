"""The bookstore's gateway, as named in the settings."""

from __future__ import annotations

from meshtui.engine import Engine
from meshtui.journeys.gateway import Answer, GatewayClient, answering_gateway
from meshtui.journeys.hops import Entrance
from meshtui.settings import Settings

__all__ = ["Answer", "find_gateway", "shop_client"]


def shop_client(gateway: str, settings: Settings) -> GatewayClient:
    """A client for requests to the shop at a URL."""
    return GatewayClient(gateway, settings.checkout.host, settings)


async def find_gateway(settings: Settings, engine: Engine) -> str:
    """The URL at which the bookstore's gateway answers.

    Raises ConfigError for a setting that isn't a URL, NotFoundError when none is known, ClusterError when none answers.
    """
    checkout = settings.checkout
    entrance = Entrance(checkout.gateway_namespace, checkout.gateway_name, checkout.host)
    return await answering_gateway(settings, engine, entrance, checkout.gateway, "the settings as checkout.gateway")
