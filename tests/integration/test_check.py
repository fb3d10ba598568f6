"""``meshtui check`` on the whole sandbox: what only observation can tell is found there, and nothing is bought for it."""

import asyncio
import json
import sys

import pytest

from tests.fakes.bookstore import IN_ITS_LOOP, on, on_each

pytestmark = [pytest.mark.sandbox, pytest.mark.needs_new_bookstore, IN_ITS_LOOP]


async def run(sandbox, *words):
    command = [sys.executable, "-m", "meshtui", *words, "--kubeconfig", str(sandbox.kubeconfig), "-o", "json"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert out, err
    return process.returncode, json.loads(out)


@on_each(
    [
        ("no-reserve-call", "MT401", "makes no reserve call"),
        ("uuid-mismatch", "MT402", "are unknown to inventory"),
        ("h2c-upgrade", "MT403", "is a build that does"),
    ],
    "rule",
    "words",
)
async def test_the_applications_gap_is_found_first(bookstore, rule, words):
    code, answer = await run(bookstore, "check")
    first = answer["findings"][0]
    assert (code, first["rule"], first["severity"]) == (1, rule, "error"), answer
    assert words in first["why"]
    assert "+" + " " * 8 + "image: bookstore/ecom-service:1.1\n" in first["fix"]["patch"].replace("- image", "  image")
    assert [f for f in answer["findings"][1:] if f["severity"] != "info"] == []


@on("no-reserve-call")
async def test_what_a_checkout_left_in_the_logs_is_evidence(bookstore):
    await run(bookstore, "checkout", "--yes")
    _, answer = await run(bookstore, "check")
    assert "1 orders in its log, and no reserve call" in answer["findings"][0]["why"]


@on("healthy")
async def test_the_healthy_one_is_clean_and_asking_buys_nothing(bookstore):
    code, answer = await run(bookstore, "check")
    assert (code, answer["errors"], answer["warnings"]) == (0, 0, 0), answer
    assert {each["rule"] for each in answer["not_evaluated"]} == {"MT401", "MT403"}, "nothing was sold yet"
    _, again = await run(bookstore, "check")
    assert again == answer
    await run(bookstore, "checkout", "--yes")
    code, answer = await run(bookstore, "check")
    assert (code, answer["errors"], answer["warnings"], answer["not_evaluated"]) == (0, 0, 0, []), answer
    _, answer = await run(bookstore, "check", "--no-observe")
    of_the_shop, of_the_ztunnels = {"MT401", "MT402", "MT403"}, {f"MT50{number}" for number in range(1, 8)}
    assert {each["rule"] for each in answer["not_evaluated"]} == of_the_shop | of_the_ztunnels


@on("wrong-identity")
async def test_denials_in_the_logs_are_evidence_of_the_call_that_is_denied(bookstore):
    await run(bookstore, "checkout", "--yes")

    async def found(*words):
        _, answer = await run(bookstore, "check", *words)
        return {f["rule"]: f["why"] for f in answer["findings"] if f["objects"][-1]["name"] == "ecom-service"}

    told, evident = await found(), await found("--denials")
    assert evident["MT217"].startswith(told["MT217"] + "; 1 connection was denied by AuthorizationPolicy inventory/")
    assert evident | {"MT217": ""} == told | {"MT217": ""}
