"""``meshtui check`` on the whole sandbox: what only observation can tell is found there, and nothing is bought for it."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import pytest

from meshtui.sandbox.run import running_sandbox

pytestmark = [pytest.mark.sandbox]


@asynccontextmanager
async def shop(scenario):
    async with running_sandbox(scenario) as sandbox:
        assert await sandbox.wait_ready() == []
        yield sandbox


async def run(sandbox, *words):
    command = [sys.executable, "-m", "meshtui", *words, "--kubeconfig", str(sandbox.kubeconfig), "-o", "json"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert out, err
    return process.returncode, json.loads(out)


@pytest.mark.parametrize(
    ("scenario", "rule", "words"),
    [
        ("no-reserve-call", "MT401", "makes no reserve call"),
        ("uuid-mismatch", "MT402", "are unknown to inventory"),
        ("h2c-upgrade", "MT403", "is a build that does"),
    ],
)
async def test_the_applications_gap_is_found_first(scenario, rule, words):
    async with shop(scenario) as sandbox:
        code, answer = await run(sandbox, "check")
        first = answer["findings"][0]
        assert (code, first["rule"], first["severity"]) == (1, rule, "error"), answer
        assert words in first["why"]
        assert "+" + " " * 8 + "image: bookstore/ecom-service:1.1\n" in first["fix"]["patch"].replace("- image", "  image")
        assert [f for f in answer["findings"][1:] if f["severity"] != "info"] == []


async def test_what_a_checkout_left_in_the_logs_is_evidence():
    async with shop("no-reserve-call") as sandbox:
        await run(sandbox, "checkout", "--yes")
        _, answer = await run(sandbox, "check")
        assert "1 orders in its log, and no reserve call" in answer["findings"][0]["why"]


async def test_the_healthy_one_is_clean_and_asking_buys_nothing():
    async with shop("healthy") as sandbox:
        code, answer = await run(sandbox, "check")
        assert (code, answer["errors"], answer["warnings"]) == (0, 0, 0), answer
        assert {each["rule"] for each in answer["not_evaluated"]} == {"MT401", "MT403"}, "nothing was sold yet"
        _, again = await run(sandbox, "check")
        assert again == answer
        await run(sandbox, "checkout", "--yes")
        code, answer = await run(sandbox, "check")
        assert (code, answer["errors"], answer["warnings"], answer["not_evaluated"]) == (0, 0, 0, []), answer
        _, answer = await run(sandbox, "check", "--no-observe")
        assert {each["rule"] for each in answer["not_evaluated"]} == {"MT401", "MT402", "MT403"}
