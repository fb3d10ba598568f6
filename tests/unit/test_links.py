"""Every relative link and picture of the documentation names a file of this repository."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(page for folder in ("docs", "meshtui") for page in (ROOT / folder).rglob("*.md")),
    ROOT / "benchmarks" / "RESULTS.md",
]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_links_lead_somewhere():
    links = [(page, target) for page in PAGES for target in LINK.findall(page.read_text("utf-8")) if ":" not in target]
    assert len(links) > 100
    broken = [f"{page.relative_to(ROOT)}: {target}" for page, target in links if not (page.parent / target).exists()]
    assert broken == []
