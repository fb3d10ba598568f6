"""Nothing secret leaves a checkout."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.journeys.shorten import shortened
from meshtui.model.redact import HIDDEN, redact, redact_data

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZWFkZXIifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"password": "reader"}, {"password": HIDDEN}, id="a password by its name"),
        pytest.param({"Client_Secret": "x"}, {"Client_Secret": HIDDEN}, id="whatever the case"),
        pytest.param({"access_token": "abc", "expires_in": 300}, {"access_token": HIDDEN, "expires_in": 300}, id="a token"),
        pytest.param({"a": [{"refresh_token": "abc"}]}, {"a": [{"refresh_token": HIDDEN}]}, id="deep inside"),
        pytest.param({"token_type": "Bearer"}, {"token_type": "Bearer"}, id="a token's type is no secret"),
        pytest.param({"token_endpoint": "http://x/token"}, {"token_endpoint": "http://x/token"}, id="nor is its endpoint"),
        pytest.param({"username": "reader"}, {"username": "reader"}, id="nor a user"),
        pytest.param({"echo": f"got {JWT}"}, {"echo": f"got {HIDDEN}"}, id="a token by its look"),
        pytest.param({"echo": "s3cr3t!"}, {"echo": HIDDEN}, id="a secret by its value"),
        pytest.param([1, None, True], [1, None, True], id="what is no text stays"),
    ],
)
def test_redacts_data(value, expected):
    assert redact_data(value, ["s3cr3t!"]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://user:pass@gateway:80/x", "http://[redacted]@gateway:80/x"),
        ("Authorization: Bearer abcdefghijk", f"Authorization: Bearer {HIDDEN}"),
        (f"Jwt {JWT} is expired", f"Jwt {HIDDEN} is expired"),
        ("no bearer token", "no bearer token"),
        ("request_id=e0095c50-6695-43ce-ae10-83194e38e66b", "request_id=e0095c50-6695-43ce-ae10-83194e38e66b"),
    ],
)
def test_redacts_text(text, expected):
    assert redact(text) == expected


_JSON = st.recursive(
    st.none() | st.integers(0, 10**9) | st.text(),
    lambda deeper: st.lists(deeper) | st.dictionaries(st.text(), deeper),
    max_leaves=12,
)


@given(_JSON, st.text("abcdefgh0123456789", min_size=12, max_size=40))
def test_a_known_secret_is_nowhere_in_what_is_shown(value, secret):
    shown = json.dumps(redact_data({"value": value, "echo": f"<{secret}>", "password": secret}, [secret]))
    assert secret not in shown


def test_long_answers_say_that_they_were_cut():
    assert shortened(list(range(9))) == [0, 1, 2, 3, 4, "… 4 more"]
    assert shortened("x" * 3000).endswith("… 1000 characters more")
    assert shortened({"a": 1}) == {"a": 1}
