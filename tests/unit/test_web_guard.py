"""Who may ask the server of a browser: only who has the token, at its own address, from its own page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.web.guard import Guard
from meshtui.web.page import headers, page

GUARD = Guard(8123)
HOST, ORIGIN = ["127.0.0.1:8123"], ["http://127.0.0.1:8123"]


def test_tokens_are_drawn_and_not_shown():
    assert Guard(1).token != Guard(1).token
    assert len(GUARD.token) >= 43
    assert GUARD.token not in repr(GUARD)
    assert GUARD.url == f"http://127.0.0.1:8123/?token={GUARD.token}"


ALLOWED = {
    "the token": (HOST, [GUARD.token], "", None),
    "the cookie": (HOST, [], GUARD.token, None),
    "both": (HOST, [GUARD.token], GUARD.token, None),
    "an old token, and the cookie": (HOST, ["old"], GUARD.token, None),
    "a WebSocket": (HOST, [], GUARD.token, ORIGIN),
}


@pytest.mark.parametrize("asked", ALLOWED.values(), ids=ALLOWED)
def test_is_answered(asked):
    assert GUARD.refusal(*asked) == ""


REFUSED = {
    "nothing": (HOST, [], "", None),
    "another token": (HOST, [Guard(8123).token], "", None),
    "a part of the token": (HOST, [GUARD.token[:-1]], "", None),
    "more than the token": (HOST, [GUARD.token + "x"], "", None),
    "two tokens": (HOST, [GUARD.token, "x"], "", None),
    "another cookie": (HOST, [], "x", None),
    "no ASCII": (HOST, ["é\udcff"], "é\udcff", None),
    "no host": ([], [GUARD.token], GUARD.token, None),
    "two hosts": (HOST * 2, [GUARD.token], GUARD.token, None),
    "a name that leads here": (["evil.example:8123"], [GUARD.token], GUARD.token, None),
    "localhost": (["localhost:8123"], [GUARD.token], GUARD.token, None),
    "another port": (["127.0.0.1:8124"], [GUARD.token], GUARD.token, None),
    "no port": (["127.0.0.1"], [GUARD.token], GUARD.token, None),
    "a WebSocket without origin": (HOST, [], GUARD.token, []),
    "a WebSocket of another page": (HOST, [], GUARD.token, ["http://evil.example"]),
    "a WebSocket of another port": (HOST, [], GUARD.token, ["http://127.0.0.1:9"]),
    "a WebSocket of a file": (HOST, [], GUARD.token, ["null"]),
    "a WebSocket of two pages": (HOST, [], GUARD.token, [*ORIGIN, "http://evil.example"]),
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_is_refused(asked):
    assert GUARD.refusal(*asked) != ""


@given(st.lists(st.text(), max_size=2), st.text())
def test_nothing_that_is_guessed_is_the_token(tokens, cookie):
    assert GUARD.refusal(HOST, tokens, cookie, None) != ""


def test_the_page_asks_nobody_else():
    text = page("prod <b>", "ws://127.0.0.1:8123/ws", 16)
    assert "prod &lt;b&gt;" in text
    assert re.findall(r"(?:https?:)?//[\w.-]+", text) == ["//127.0.0.1"]
    rules = headers("ws://127.0.0.1:8123")["Content-Security-Policy"]
    assert "default-src 'none'" in rules
    assert re.findall(r"\w+://[^ ;]+", rules) == ["ws://127.0.0.1:8123"]
    assert "unsafe-eval" not in rules


@pytest.mark.parametrize(("asked", "size"), [(1, 8), (16, 16), (99_999, 40)])
def test_the_size_of_the_letters_is_limited(asked, size):
    assert f'data-font-size="{size}"' in page("x", "ws://127.0.0.1:1/ws", asked)
