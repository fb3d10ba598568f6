"""``meshtui serve`` in a real browser: it opens, keys work, and nothing is asked of anybody but the server itself."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chromium import CHROMIUM, chromium
from tests.fakes.frozen import recorded_objects

PICTURE = os.environ.get("TESTS_BROWSER_PICTURE", "")
"""Where the picture is kept, if it is."""

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: install it, or name it in MESHTUI_CHROMIUM")


async def test_it_opens_and_keys_work(tmp_path):
    file = tmp_path / "bookstore.json"
    objects = [each for kind in recorded_objects("healthy").values() for each in kind]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    command = [sys.executable, "-m", "meshtui", "serve", "-f", file.name, "--theme", "meshtui-dark"]
    served = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        url = (await asyncio.wait_for(served.stdout.readline(), 60)).decode().strip()
        async with chromium(tmp_path / "profile", 1200, 720) as page:
            await page.send("Page.navigate", url=url)
            await page.until("ecom-service")
            await page.until("Probe")  # the footer
            page.forget()
            await page.press("1")
            await page.until("ORST FINDING")  # the columns, with the focus
            page.forget()
            await page.press("2")
            await page.until("DENTITY")
            await asyncio.sleep(0.5)  # what came last is drawn
            picture = await page.picture()
            page.forget()
            await page.press("w")
            await page.until("METHOD")
            where = (await page.send("Runtime.evaluate", expression="location.href + ' ' + document.body.className"))["result"]
            assert await page.picture() != picture
        assert where["value"].startswith(f"{url.partition('?')[0]} ")
        assert "token" not in where["value"]
        assert "-first-byte" in where["value"]
        assert not page.errors
        own = urlsplit(url).netloc
        others = [asked for asked in page.asked if urlsplit(asked).scheme != "data" and urlsplit(asked).netloc != own]
        assert not others
        assert len(page.asked) >= 5
        assert len(picture) > 10_000, "the page is blank"
        if PICTURE:
            await asyncio.to_thread(Path(PICTURE).write_bytes, picture)
    finally:
        served.terminate()
        await served.wait()
