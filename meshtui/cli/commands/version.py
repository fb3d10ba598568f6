"""``meshtui version``: the versions of meshtui and its libraries, and with ``--server`` of the API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshtui.cli.command import command, switch

if TYPE_CHECKING:
    from meshtui.settings import Settings

_LIBRARIES = ("click", "httpx", "kubernetes", "msgspec", "pydantic", "textual")


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    server: bool
    output: str


PARAMS = [switch("--server", "ask the API server for its version, too")]


def _run(words: Words, settings: Settings) -> int:
    from meshtui.cli.answer import Answer, Column, key
    from meshtui.cli.formats import write

    versions = _versions()
    if words.server:
        import asyncio

        versions["server"] = asyncio.run(_server(settings))
    rows = [{"name": name, "version": version} for name, version in versions.items()]
    listing = "".join(f"{row['name']:<12} {row['version']}\n" for row in rows)
    columns = (Column("NAME", key("name")), Column("VERSION", key("version")))
    write(Answer(versions, rows, columns, own={"text": lambda: listing}), words.output)
    return 0


def _versions() -> dict[str, str]:
    """The versions of meshtui, Python, and the libraries that matter in a bug report."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from meshtui import __version__

    found = {"meshtui": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


async def _server(settings: Settings) -> str:
    """The API server's version. Raises ConfigError, ClusterError."""
    import json

    from meshtui.model.errors import ClusterError
    from meshtui.sources.kubernetes.live import LiveSource

    source = LiveSource(settings)
    try:
        answer: Any = json.loads(await (await source.open()).get("/version"))
        return str(answer["gitVersion"])
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterError("the server doesn't say its version") from error
    finally:
        await source.close()


COMMAND = command(
    "version",
    "the version of meshtui and of what it runs on",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "json", "yaml"),
    exits={3: "--server: the cluster can't be reached or refuses"},
)
