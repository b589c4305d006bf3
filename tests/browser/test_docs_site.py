"""The documentation in a real browser: readable at every width and in both colours, searchable.

`SCOPE_TEST_SCREENSHOTS=DIRECTORY` looks at every page, and writes a picture of each there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]

from tests.browser.conftest import NARROW, WIDE

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PICTURES = os.environ.get("SCOPE_TEST_SCREENSHOTS")  # before a fixture takes such variables away
EVERY_PAGE = [str(page.relative_to(DOCS).with_suffix("")) + "/" for page in sorted(DOCS.rglob("*.md"))]
PAGES = EVERY_PAGE if PICTURES else ["configuration/", "reference/errors/"]
"""A page of wide tables, and one that is made from docstrings."""


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing: pytest shows what is printed."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture(loop_scope="module")
async def open_site(browser, site):
    contexts = []

    async def open_site(path: str, **options: object):
        context = await browser.new_context(**{"viewport": WIDE, **options})
        contexts.append(context)
        # Stars of the repository are asked of its host; tests stay on this machine.
        await context.route(lambda url: not url.startswith(site), lambda route: route.abort())
        page = await context.new_page()
        await page.goto(site + path)
        return page

    yield open_site
    for context in contexts:
        await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "360"])
async def test_pages_are_accessible_and_fit_the_window(open_site, viewport, scheme) -> None:
    for path in PAGES:
        page = await open_site(path.removesuffix("index/"), viewport=viewport, color_scheme=scheme)
        if PICTURES:
            name = f"{path.strip('/').replace('/', '-')}-{viewport['width']}-{scheme}.png"
            await page.screenshot(path=Path(PICTURES) / name)
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"], f"{path} is {width} px wide"
        found = await Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"


async def test_search_works_from_the_keyboard(open_site) -> None:
    page = await open_site("")
    await page.keyboard.press("/")
    await page.keyboard.type("snapshot_path")
    await page.locator(".md-search-result__item").first.wait_for()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/?h=*")
    assert await page.get_by_text("snapshot_path").count() > 0
