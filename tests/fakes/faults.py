"""Every way in which a server may be broken or hostile that is tested: what it sends, and what must come of it."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from meshtui.model.snapshot import KindStatus
from tests.fakes.hostile_server import Exchange, json_response, list_of, response

BROKEN, STALE, SYNCED = KindStatus.BROKEN, KindStatus.STALE, KindStatus.SYNCED
LIST, WATCH, PODS = "lists", "watches", "the list of pods"


@dataclass(frozen=True)
class Fault:
    """``stands`` is how Pod stands in the terminal program meanwhile; ``exit`` is a command's code, None where it meets none."""

    name: str
    sends: str
    play: Callable[[Exchange], Awaitable[None]]
    stands: KindStatus
    says: str = ""
    exit: int | None = 3
    on: str = LIST
    slow: bool = False

    def met_by(self, exchange):
        """Whether this fault is the answer to a request."""
        if self.on == WATCH:
            return exchange.watch
        return not exchange.watch and self.lists_of(exchange.kind)

    def lists_of(self, kind):
        """Whether the lists of this kind have this fault."""
        return kind is not None and (self.on == LIST or (self.on == PODS and kind.plural == "pods"))


def body(data, **more):
    async def play(exchange):
        await exchange.send(response(data, **more))

    return play


def raw(data, *, stay=False):
    async def play(exchange):
        await exchange.send(data)
        if stay:
            await exchange.forever()
        exchange.writer.transport.abort()

    return play


def listing(change):
    """A list in which something is changed; bytes are sent as they are."""

    async def play(exchange):
        changed = change(list_of(exchange.kind))
        await exchange.send(response(changed) if isinstance(changed, bytes) else json_response(changed))

    return play


def event(data):
    """A watch with one line."""

    async def play(exchange):
        await exchange.open()
        await exchange.chunk(data + b"\n")
        await exchange.forever()

    return play


def _pod(**changes):
    return {"metadata": {"name": "x", "namespace": "shop", "uid": "u", "resourceVersion": "6"}, **changes}


def _added(obj):
    return json.dumps({"type": "ADDED", "object": obj}).encode()


def _in_name(data):
    """A list with an object of these bytes as its name."""
    return listing(
        lambda found: json.dumps({**found, "items": [_pod()]}).encode().replace(b'"name": "x"', b'"name": "' + data + b'"')
    )


async def close(exchange):
    exchange.writer.transport.abort()


async def silence(exchange):
    await exchange.forever()


async def drip_body(exchange):
    await exchange.send(response(Content_Length="100000"))
    while not exchange.writer.is_closing():
        await exchange.send(b" ")
        await asyncio.sleep(0.05)


async def drip_headers(exchange):
    await exchange.send(b"HTTP/1.1 200 X\r\nX: ")
    while not exchange.writer.is_closing():
        await exchange.send(b"a")
        await asyncio.sleep(0.05)


async def drip_error(exchange):
    await exchange.send(response(code=500, Content_Length="100000"))
    while not exchange.writer.is_closing():
        await exchange.send(b" ")
        await asyncio.sleep(0.05)


async def continue_100(exchange):
    while not exchange.writer.is_closing():
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.01)


async def endless_headers(exchange):
    await exchange.send(b"HTTP/1.1 200 X\r\n")
    while not exchange.writer.is_closing():
        await exchange.send(b"X-Y: " + b"a" * 4000 + b"\r\n")


async def endless_body(exchange):
    await exchange.open()
    while not exchange.writer.is_closing():
        await exchange.chunk(b" " * (1 << 18))


async def bad_chunk(exchange):
    await exchange.open()
    await exchange.send(b"zz\r\n")
    await exchange.forever()


async def repeated_page(exchange):
    await exchange.send(json_response(list_of(exchange.kind, **{"continue": "again"})))


async def endless_pages(exchange):
    number = int(exchange.query.get("continue", "0")) + 1
    await exchange.send(json_response(list_of(exchange.kind, items=[], **{"continue": str(number)})))


async def endless_watch_line(exchange):
    await exchange.open()
    while not exchange.writer.is_closing():
        await exchange.chunk(b" " * (1 << 14))


async def drip_event(exchange):
    await exchange.open()
    for byte in _added(_pod()):
        await exchange.chunk(bytes([byte]))
        await asyncio.sleep(0.05)


async def empty_watch(exchange):
    await exchange.open()
    await exchange.send(b"0\r\n\r\n")


async def packed_watch(exchange):
    await exchange.open(Content_Encoding="gzip")
    await exchange.chunk(gzip.compress(_added(_pod())))
    await exchange.forever()


PAGE = b"<!DOCTYPE html><html><title>Log in</title>Please log in</html>"
DEEP = b"[" * 100_000 + b"]" * 100_000
BOMB = gzip.compress(b" " * (32 << 20), mtime=0)
NINES = "9" * 400
RAW_DEFLATE = zlib.compress(b"{}")

FAULTS = (
    # ---- an answer that is none
    Fault("login page", "a page for people, with status 200", body(PAGE, content_type="text/html"), BROKEN, "login page"),
    Fault("empty answer", "nothing, with status 200", body(b""), BROKEN, "isn't an answer of an API server"),
    Fault("null", "JSON null", body(b"null"), BROKEN, "isn't an answer of an API server"),
    Fault("list at the top", "a JSON list", body(b"[]"), BROKEN, "isn't an answer of an API server"),
    Fault("truncated JSON", "JSON that ends in its middle", body(b'{"metadata": {"resource'), BROKEN, "truncated"),
    Fault("two documents", "one JSON document after another", body(b"{}{}"), BROKEN, "isn't an answer of an API server"),
    Fault("zero bytes", "NUL bytes", body(b"\0" * 200), BROKEN, "isn't an answer of an API server"),
    Fault(
        "protobuf",
        "protobuf, and says so",
        body(b"k8s\0\n\x0f\n\x02v1", content_type="application/vnd.kubernetes.protobuf"),
        BROKEN,
    ),
    Fault("another object", "JSON without items", body(b'{"hello": "world"}'), BROKEN, "metadata"),
    Fault("items null", "a list whose items are null", listing(lambda f: {**f, "items": None}), BROKEN, "items"),
    Fault("items a string", "a list whose items are a string", listing(lambda f: {**f, "items": "all"}), BROKEN, "items"),
    Fault("items of strings", "a list of strings", listing(lambda f: {**f, "items": ["a", "b"]}), BROKEN),
    Fault("no metadata", "a list without metadata", listing(lambda f: {"items": f["items"]}), BROKEN, "metadata"),
    Fault(
        "no resourceVersion",
        "a list without a resourceVersion",
        listing(lambda f: {**f, "metadata": {}}),
        BROKEN,
        "resourceVersion",
    ),
    Fault(
        "object without metadata",
        "objects without metadata",
        listing(lambda f: {**f, "items": [{"spec": 1}]}),
        BROKEN,
        "metadata",
    ),
    Fault("invalid UTF-8", "a name that isn't UTF-8", _in_name(b"\xff\xfe"), BROKEN, "isn't an answer of an API server"),
    Fault(
        "lone surrogate",
        "half of a surrogate pair in a name",
        _in_name(b"\\ud800abcdef"),
        BROKEN,
        "isn't an answer of an API server",
    ),
    Fault("deep nesting", "JSON nested 100,000 deep", body(DEEP), BROKEN, "isn't an answer of an API server"),
    Fault(
        "deep nesting in a field",
        "an unknown field nested 100,000 deep",
        listing(lambda f: json.dumps(f).encode()[:-1] + b', "deep": ' + DEEP + b"}"),
        BROKEN,
        "nested too deeply",
    ),
    # ---- an error that is hard to read
    Fault("500 without UTF-8", "an error whose body isn't UTF-8", body(b'{"message": "\xff\xfe"}', code=500), STALE, "HTTP 500"),
    Fault("500 nested", "an error whose body is nested 100,000 deep", body(DEEP, code=500), STALE, "HTTP 500"),
    Fault("502 page", "a gateway's page", body(PAGE, code=502, content_type="text/html"), STALE, "HTTP 502"),
    Fault("403 without UTF-8", "a refusal whose body isn't UTF-8", body(b"\xff\xfe", code=403), KindStatus.FORBIDDEN),
    Fault("401 page", "a login page with status 401", body(PAGE, code=401), KindStatus.EXPIRED, "credentials"),
    Fault("404 for pods", "404 for what every API server has", body(b"404 page not found", code=404), BROKEN, "HTTP 404"),
    Fault("410 again and again", "410 to every list", body(b"{}", code=410), STALE),
    Fault("429 with 400 digits", "Retry-After with 400 digits", body(b"{}", code=429, Retry_After=NINES), STALE),
    Fault("429 with zero", "Retry-After: 0, again and again", body(b"{}", code=429, Retry_After="0"), STALE, slow=True),
    Fault("429 with nonsense", "Retry-After: -1e9", body(b"{}", code=429, Retry_After="-1e9"), STALE, slow=True),
    Fault(
        "redirect to another host",
        "a redirect elsewhere",
        body(b"", code=307, Location="http://evil.example/"),
        BROKEN,
        "evil.example",
    ),
    Fault("redirect to nowhere", "a redirect to what is no URL", body(b"", code=302, Location="http://[::"), STALE, "location"),
    # ---- no HTTP, or a part of it
    Fault("closed at once", "nothing: the connection is closed", close, STALE),
    Fault("another protocol", "an SSH server's greeting", raw(b"SSH-2.0-OpenSSH_9.6\r\n"), STALE),
    Fault("bad status line", "a status that is no number", raw(b"HTTP/1.1 abc X\r\n\r\n"), STALE),
    Fault("bad header", "a header with a zero byte", raw(b"HTTP/1.1 200 X\r\nA: \0\r\nContent-Length: 2\r\n\r\n{}"), STALE),
    Fault("endless headers", "headers without an end", endless_headers, STALE),
    Fault("cut body", "less than its Content-Length", raw(response(b"{}", Content_Length="5000")), STALE),
    Fault("bad chunk", "a chunk without a size", bad_chunk, STALE),
    # ---- slow
    Fault("silence", "nothing, and the connection stays", silence, STALE, "in time", slow=True),
    Fault("body drips", "a body, a byte at a time", drip_body, STALE, "in time", slow=True),
    Fault("headers drip", "headers, a byte at a time", drip_headers, STALE, "in time", slow=True),
    Fault("error drips", "an error's body, a byte at a time", drip_error, STALE, "in time", slow=True),
    Fault("100 without end", "100 Continue, again and again", continue_100, STALE, "in time", slow=True),
    # ---- large
    Fault("gzip bomb", "32 MiB of blanks in 32 KiB", body(BOMB, Content_Encoding="gzip"), BROKEN, "times its size", on=PODS),
    Fault(
        "gzip twice", "a gzip stream in another", body(gzip.compress(BOMB), Content_Encoding="gzip, gzip"), BROKEN, "compressed"
    ),
    Fault("no gzip", "plain bytes, called gzip", body(b"{}", Content_Encoding="gzip"), BROKEN, "can't be decompressed"),
    Fault("cut gzip", "half of a gzip stream", body(gzip.compress(PAGE * 9)[:60], Content_Encoding="gzip"), STALE, "its middle"),
    Fault(
        "deflate", "a compression that nobody asked for", body(RAW_DEFLATE, Content_Encoding="deflate"), BROKEN, "nobody asked"
    ),
    Fault(
        "announced size", "a Content-Length of 10 GB", raw(response(Content_Length="10000000000"), stay=True), BROKEN, "more than"
    ),
    Fault("endless body", "a body without an end", endless_body, BROKEN, "more than", on=PODS),
    Fault("repeated page", "the same continue token for ever", repeated_page, BROKEN, "never ends"),
    Fault("endless pages", "a new continue token for ever", endless_pages, BROKEN, "never ends", on=PODS),
    Fault(
        "too many objects",
        "more pods than meshtui keeps",
        listing(lambda f: {**f, "items": [_pod(metadata={"name": f"p{n}", "uid": f"u{n}"}) for n in range(1500)]}),
        BROKEN,
        "more than",
        on=PODS,
    ),
    # ---- watches
    Fault("event: page", "a page in a watch", event(PAGE), BROKEN, "isn't an answer of an API server", None, WATCH),
    Fault(
        "event: invalid UTF-8",
        "a name that isn't UTF-8",
        event(_added(_pod()).replace(b'"x"', b'"\xff"')),
        BROKEN,
        "",
        None,
        WATCH,
    ),
    Fault(
        "event: lone surrogate",
        "half of a surrogate pair",
        event(_added(_pod()).replace(b'"x"', b'"\\ud800ab"')),
        BROKEN,
        "",
        None,
        WATCH,
    ),
    Fault(
        "event: deep nesting",
        "an event nested 100,000 deep",
        event(b'{"type": "ADDED", "object": ' + DEEP + b"}"),
        BROKEN,
        "",
        None,
        WATCH,
    ),
    Fault("event: without an object", "an event without its object", event(b'{"type": "ADDED"}'), BROKEN, "object", None, WATCH),
    Fault(
        "event: unknown type",
        "an event of a type that isn't known",
        event(b'{"type": "X", "object": {"metadata": {}}}'),
        BROKEN,
        "type 'X'",
        None,
        WATCH,
    ),
    Fault("event: endless line", "an event without an end", endless_watch_line, BROKEN, "more than", None, WATCH),
    Fault("event: drips", "an event, a byte at a time", drip_event, STALE, "cut off", None, WATCH, slow=True),
    Fault(
        "event: error 500",
        "an ERROR event",
        event(b'{"type": "ERROR", "object": {"code": 500, "message": "oh"}}'),
        STALE,
        "oh",
        None,
        WATCH,
    ),
    Fault("watch: compressed", "a watch that is compressed", packed_watch, BROKEN, "compressed", None, WATCH),
    Fault("watch: ends at once", "a watch without an event, again and again", empty_watch, STALE, "cut off", None, WATCH),
    Fault(
        "watch: page",
        "a login page for a watch",
        body(PAGE, content_type="text/html"),
        BROKEN,
        "isn't an answer of an API server",
        None,
        WATCH,
    ),
)


_STANDS = {
    BROKEN: "broken: banner, the last data stays and nothing is concluded from it",
    STALE: "stale since when, retrying",
    KindStatus.FORBIDDEN: "forbidden, nothing is shown",
    KindStatus.EXPIRED: "login expired, the last data stays",
}


def table():
    """The faults as the security guide's table has them."""
    lines = ["| What a server sends | The terminal program | A command's exit code |", "|---|---|---|"]
    for fault in FAULTS:
        exit_code = "meets none" if fault.exit is None else str(fault.exit)
        lines.append(f"| {fault.name}: {fault.sends} | {_STANDS[fault.stands]} | {exit_code} |")
    return "\n".join(lines)
