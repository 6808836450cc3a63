"""The documents as a site: every link leads somewhere, nothing is fetched, and a desk and a phone show the first page whole."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from tests.report.browser import BROWSER, DRIVER, browser

ROOT = Path(__file__).parent.parent
DESK, PHONE = (1280, 900), (390, 844)


def command() -> list[str] | None:
    if importlib.util.find_spec("mkdocs"):
        return [sys.executable, "-m", "mkdocs"]
    return [found] if (found := shutil.which("mkdocs")) else None


def test_every_document_is_in_the_list_of_pages_and_the_first_is_the_start() -> None:
    pages = [next(iter(page.values())) for page in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]]
    assert pages[0] == "index.md"
    assert sorted(pages) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    mkdocs = command()
    if mkdocs is None:
        pytest.skip("mkdocs is not installed: python -m pip install mkdocs")
    folder = tmp_path_factory.mktemp("site")
    build = [*mkdocs, "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_link_and_image_of_every_page_is_there(site: Path) -> None:
    pages = sorted(site.glob("*.html"))
    assert len(pages) > 15
    for page in pages:
        targets = re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', page.read_text())
        for target in (unquote(target) for target in targets if not target.startswith(("http", "data:", "/", "mailto:"))):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


@pytest.fixture(scope="module")
def driver(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[dev]'")
    if not (BROWSER and DRIVER):
        pytest.skip("no chromium and chromedriver on the PATH: sudo apt-get install chromium chromium-driver")
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("page", ["index", "findings"])
def test_a_page_fits_and_loads_nothing_from_elsewhere(driver: Any, site: Path, page: str, size: tuple[int, int]) -> None:
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.get((site / f"{page}.html").as_uri())
    absent = [entry["message"] for entry in driver.get_log("browser") if entry["source"] == "network"]
    assert absent == [], "the search, which needs a server, complains of a file:// address and of nothing else"
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    images = "return [...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    assert driver.execute_script(images)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_first_screen_says_what_this_is_and_the_first_command(driver: Any, site: Path, size: tuple[int, int]) -> None:
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.get((site / "index.html").as_uri())
    bottom = "return document.querySelector('[role=main] {}').getBoundingClientRect().bottom"
    assert driver.execute_script(bottom.format("h1")) < driver.execute_script(bottom.format("pre")) < height
    links = driver.execute_script(
        "return [...document.querySelectorAll('[role=main] li a')].map((a) => a.getAttribute('href'))"
    )
    assert len(set(links)) >= 12
    clipped = (
        "return [...document.querySelectorAll('[role=main] li')].filter((item) => item.scrollWidth > item.clientWidth).length"
    )
    assert driver.execute_script(clipped) == 0
