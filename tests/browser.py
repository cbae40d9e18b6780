"""A page as a real browser sees it: headless Chromium, without a driver."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium, which is not installed: apt-get install --no-install-recommends chromium"
)

PROBE = """
<script>
addEventListener("load", () => {
  const root = document.documentElement;
  const elements = [...document.body.querySelectorAll("*")];
  const hasText = (it) => [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const texts = elements.filter((it) => it.checkVisibility() && hasText(it));
  parent.postMessage({
    width: root.clientWidth,
    content: root.scrollWidth,
    broken: [...document.images].filter((it) => !(it.complete && it.naturalWidth)).length,
    pictures: document.images.length,
    smallest: Math.min(...texts.map((it) => parseFloat(getComputedStyle(it).fontSize))),
    cut: elements.filter((it) => it.matches(".box") && it.scrollWidth > it.clientWidth + 1).length,
  }, "*");
});
</script>
"""
"""Tells the page around it what it looks like. Sizes are in CSS pixels."""

FRAME = """<!doctype html>
<iframe src="{page}" style="border: 0; width: {width}px; height: 900px"></iframe><pre></pre>
<script>
addEventListener("message", (it) => {{ document.querySelector("pre").textContent = JSON.stringify(it.data) }})
</script>
"""
"""A window of any width: the browser's own is at least 500 pixels wide."""

A4_PX = 688
"""Width of what is printed on A4 within margins of 14 mm."""


@dataclass(frozen=True)
class Look:
    """What a page looks like: ``PROBE``'s measures, and what the browser wrote on its console."""

    measures: dict[str, Any]
    console: list[str]


def look(page: Path, width: int, folder: Path, printed: bool = False) -> Look:
    """Open a page in a window of this width; ``printed``: with the styles of printing."""
    text = page.read_text()
    if printed:
        text = text.replace("@media print", "@media all")
    (folder / "page.html").write_text(text + PROBE)
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(page="page.html", width=width))
    done = _chromium("--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", frame.as_uri())
    found = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert found, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Look(json.loads(html.unescape(found[1])), console)


def printed(page: Path, pdf: Path) -> None:
    """Print a page into a file."""
    _chromium("--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.as_uri())


def dangling(page: Path) -> list[str]:
    """Links of a page that lead nowhere: to no place in it, or to no file beside it."""
    parser = _Links()
    parser.feed(page.read_text())
    assert parser.links
    files = {link for link in parser.links if not link.startswith(("#", "data:"))}
    places = {link[1:] for link in parser.links if link.startswith("#")}
    assert len(parser.places) == len(set(parser.places))
    return sorted(places - set(parser.places)) + sorted(link for link in files if not (page.parent / link).is_file())


def _chromium(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [values[name] or "" for name in ("href", "src") if name in values]
        self.places += [values["id"] or ""] if "id" in values else []
