"""``meshtui journey``: an operator's own journey beside the settings, in the sandbox; and every file that is wrong."""

import asyncio
import json
import os
import sys
from pathlib import Path

import msgspec
import pytest

from meshtui.cli.schemas.journeys import JourneyChecked, JourneyLine, JourneyRun
from tests.fakes.bookstore import IN_ITS_LOOP, on

BROWSE = (Path(__file__).parents[1] / "fakes" / "browse.toml").read_text()
ECOM, STOCK, GATE = (
    f"spiffe://cluster.local/ns/{ns}/sa/{account}"
    for ns, account in (("ecom", "ecom-service"), ("inventory", "inventory-service"), ("infra", "gateway-istio"))
)


@pytest.fixture
def home(tmp_path):
    """The user's configuration folder, with one journey."""
    (tmp_path / "meshtui" / "journeys").mkdir(parents=True)
    (tmp_path / "meshtui" / "journeys" / "browse.toml").write_text(BROWSE)
    return tmp_path


def written(home, text, name="browse"):
    (home / "meshtui" / "journeys" / f"{name}.toml").write_text(text)


async def run(home, *words, kubeconfig="/nowhere"):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "MESHTUI", "XDG"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshtui", "journey", *words, "--kubeconfig", str(kubeconfig)),
        env=clean | {"HOME": str(home), "XDG_CONFIG_HOME": str(home)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert b"Traceback" not in err
    return process.returncode, out.decode(), err.decode()


def holds(text, kind):
    """The answer, which is of this kind and nothing beside it."""
    answer = json.loads(text)
    assert msgspec.to_builtins(msgspec.convert(answer, kind)) == answer
    return answer


@pytest.mark.sandbox
@IN_ITS_LOOP
@on("healthy")
async def test_an_operators_journey_in_a_file_is_run_and_proves_its_calls(bookstore, home):
    code, out, err = await run(home, "run", "browse", "-o", "json", kubeconfig=bookstore.kubeconfig)
    assert out, err
    answer = holds(out, JourneyRun)
    assert (code, answer["ok"], answer["failures"]) == (0, True, []), answer
    steps = {step["name"]: step for step in answer["steps"]}
    assert list(steps) == ["books", "to-the-shop", "stock", "to-inventory"]
    assert all(step["state"] == "ok" for step in steps.values()), steps
    for call, target in (("to-the-shop", ECOM), ("to-inventory", STOCK)):
        found = steps[call]
        assert (found["kind"], found["source_identity"], found["destination_identity"], found["mtls"]) == (
            "call",
            GATE,
            target,
            True,
        )
        assert found["evidence"]
    assert err.startswith(f"gateway {bookstore.gateway_url}")
    code, out, _ = await run(home, "run", "browse", "--read-only", kubeconfig=bookstore.kubeconfig)
    assert (code, out.splitlines()[-1]) == (0, "✓ ok: Browse, then look at the stock")


@pytest.mark.sandbox
@IN_ITS_LOOP
@on("healthy")
async def test_with_a_wrong_expectation_it_fails_with_the_meaning_that_the_file_gives(bookstore, home):
    written(home, BROWSE.replace('"{book}" }', '"another" }'))
    code, out, _ = await run(home, "run", "browse", "-o", "json", kubeconfig=bookstore.kubeconfig)
    answer = holds(out, JourneyRun)
    (failure,) = answer["failures"]
    assert (code, answer["ok"], failure["name"], failure["outcome"]) == (1, False, "stock", "answer")
    assert failure["means"] == "inventory answers with another book"
    assert "not 'another'" in failure["why"][0]
    code, out, _ = await run(home, "run", "browse", kubeconfig=bookstore.kubeconfig)
    assert code == 1
    assert "✗ stock of the first book (answer): inventory answers with another book" in out


@pytest.mark.sandbox
@IN_ITS_LOOP
@on("healthy")
async def test_a_call_as_somebody_else_fails_with_who_it_was(bookstore, home):
    written(home, BROWSE.replace('to_identity = "ecom/ecom-service"', 'to_identity = "ecom/default"'))
    code, out, _ = await run(home, "run", "browse", "-o", "json", kubeconfig=bookstore.kubeconfig)
    answer = holds(out, JourneyRun)
    assert (code, [(f["name"], f["outcome"]) for f in answer["failures"]]) == (1, [("to-the-shop", "identity")])


@pytest.mark.sandbox
@IN_ITS_LOOP
@on("healthy")
async def test_the_checkout_is_a_journey_like_others(bookstore, home):
    code, out, err = await run(home, "run", "checkout", "--set", "quantity=2", "-o", "json", kubeconfig=bookstore.kubeconfig)
    assert out, err
    answer = holds(out, JourneyRun)
    assert (code, answer["ok"]) == (0, True), answer
    (gauge,) = answer["gauges"]
    assert (gauge["change"], gauge["wanted"], gauge["ok"]) == (2, 2, True)
    reserve = next(step for step in answer["steps"] if step["name"] == "reserve")
    assert (reserve["source_identity"], reserve["destination_identity"], reserve["mtls"]) == (ECOM, STOCK, True)
    assert "eyJ" not in out


@pytest.mark.sandbox
@IN_ITS_LOOP
@on("wrong-identity")
async def test_a_closed_call_names_the_policy_that_decides(bookstore, home):
    code, out, _ = await run(home, "run", "checkout", "-o", "json", kubeconfig=bookstore.kubeconfig)
    answer = holds(out, JourneyRun)
    first = answer["failures"][0]
    assert (code, first["name"], first["outcome"]) == (1, "reserve", "closed"), answer["failures"]
    assert first["means"] == "a policy closed the reserve call"
    assert [look["name"] for look in first["look_at"]] == ["inventory-service-policy"]


async def test_the_list_has_the_shipped_ones_and_the_operators(home):
    code, out, err = await run(home, "list", "-o", "json")
    rows = holds(out, list[JourneyLine])
    assert (code, err) == (0, "")
    assert [(row["name"], row["changes"]) for row in rows] == [("browse", False), ("checkout", True)]
    assert rows[0]["origin"].endswith("/meshtui/journeys/browse.toml")
    assert (await run(home, "list", "-o", "name"))[1].split() == ["browse", "checkout"]
    assert "browse" in (await run(home, "list"))[1]


async def test_a_file_that_is_wrong_is_told_with_its_place_and_hides_no_other(home):
    written(home, BROWSE.replace("[gateway]", "[gatway]"), "broken")
    code, out, err = await run(home, "list")
    assert code == 2
    assert {line.split()[0] for line in out.splitlines()} == {"browse", "checkout"}
    assert "broken.toml:6: gatway: there is no such field: did you mean 'gateway'?" in err
    code, out, err = await run(home, "run", "broken")
    assert (code, out) == (2, "")
    assert "broken.toml:6: gatway:" in err


WRONG = [
    ("an unknown field", "about =", "abuot =", "4: abuot: there is no such field"),
    ("a wrong type", 'name = "books"', "name = 7", "12: step[1].name: expected `str`, got `int`"),
    ("an unknown variable", "{book}", "{boook}", "31: step[2].request.path: there is no variable"),
    ("a name twice", 'name = "stock"', 'name = "books"', "29: step[2].name: 'books' is there twice"),
    ("no TOML", "[step.means]", "[step.means", "25: not TOML"),
]


@pytest.mark.parametrize(("old", "new", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
async def test_check_and_run_say_where_a_file_is_wrong(home, old, new, said):
    said = f"browse.toml:{said}"
    written(home, BROWSE.replace(old, new))
    file = str(home / "meshtui" / "journeys" / "browse.toml")
    code, out, _ = await run(home, "check", file, "-o", "json")
    answer = holds(out, JourneyChecked)
    assert (code, answer["ok"]) == (2, False)
    code, out, _ = await run(home, "check", file)
    assert (code, said in out) == (2, True), out
    code, out, err = await run(home, "run", "browse")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


async def test_a_good_file_has_no_problem(home):
    file = str(home / "meshtui" / "journeys" / "browse.toml")
    assert (await run(home, "check", file))[:2] == (0, f"{file}: no problem\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run",), "the name of a journey"),
        (("check",), "a file"),
        (("run", "brwse"), "did you mean 'browse'?"),
        (("run", "gone.toml"), "gone.toml"),
        (("check", "gone.toml"), "gone.toml"),
        (("run", "browse", "--set", "book"), "isn't NAME=VALUE"),
        (("run", "browse", "--set", "book=1"), "has no variable 'book'"),
        (("list", "browse"), "list takes no name"),
        (("list", "--yes"), "--yes isn't a flag of list"),
        (("check", "x.toml", "--set", "a=b"), "--set isn't a flag of check"),
        (("check", "x.toml", "-o", "name"), "only list has names"),
        (("rnu", "browse"), "did you mean 'run'?"),
        (("run", "browse", "-f", "x.yaml"), "-f"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_words_that_mean_nothing(home, words, said):
    code, out, err = await run(home, *words)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert said in err or said == "-f"
