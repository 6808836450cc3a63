"""The report page in a real browser: sorting, filters, unfolding, by mouse and keyboard, on a desk and a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmark.report.page import HEADINGS
from tests.report.browser import BROWSER, DRIVER, browser


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, text: str) -> Iterator[Any]:
    pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[dev]'")
    if not (BROWSER and DRIVER):
        pytest.skip("no chromium and chromedriver on the PATH: sudo apt-get install chromium chromium-driver")
    folder = tmp_path_factory.mktemp("page")
    (folder / "report.html").write_text(text)
    with browser(folder / "profile") as driver:
        driver.report = (folder / "report.html").as_uri()
        yield driver


@pytest.fixture
def opened(driver: Any) -> Any:
    driver.set_window_size(1280, 900)
    driver.get("about:blank")
    driver.get(driver.report)
    return driver


def seen(driver: Any) -> list[Any]:
    return driver.execute_script("return [...document.querySelectorAll('#main tbody')].filter((row) => row.checkVisibility())")


def column(driver: Any, key: str) -> list[float | str]:
    """What the shown rows are sorted by, from top to bottom."""
    at = [heading[0] for heading in HEADINGS].index(key)
    take = "return arguments[0].map((row) => row.rows[0].cells[arguments[1]].dataset.sort)"
    found = driver.execute_script(take, seen(driver), at)
    return [value if key == "method" else float(value) for value in found if value]


def methods(driver: Any) -> list[str]:
    return driver.execute_script("return arguments[0].map((row) => row.dataset.method)", seen(driver))


def heading(driver: Any, key: str) -> Any:
    return driver.find_element("css selector", f'#main th[data-key="{key}"]')


def test_it_loads_without_a_complaint(opened: Any) -> None:
    assert opened.get_log("browser") == []
    assert len(seen(opened)) == 18
    assert opened.find_element("id", "status").text == "18 of 18 rows"
    loaded = "return [...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    assert opened.execute_script(loaded)
    assert (
        opened.execute_script("return performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('data:'))")
        == []
    )


def test_a_click_on_a_heading_sorts(opened: Any) -> None:
    button = heading(opened, "score").find_element("tag name", "button")
    before = column(opened, "score")
    button.click()
    assert column(opened, "score") == sorted(before, reverse=True) != before
    assert heading(opened, "score").get_attribute("aria-sort") == "descending"
    assert "sorted by Score, descending" in opened.find_element("id", "status").text
    button.click()
    assert column(opened, "score") == sorted(before)
    assert methods(opened)[-3:] == ["r3m"] * 3  # without a score: last
    heading(opened, "method").find_element("tag name", "button").click()
    assert column(opened, "method") == sorted(column(opened, "method"))
    assert heading(opened, "score").get_attribute("aria-sort") == "none"


def test_the_keyboard_alone_sorts_filters_and_unfolds(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> Any:
        opened.switch_to.active_element.send_keys(*keys)
        return opened.switch_to.active_element

    assert press(Keys.TAB).get_attribute("class") == "skip"
    press(Keys.ENTER)
    focused = press(Keys.TAB)
    while focused.tag_name != "button":
        focused = press(Keys.TAB)
    assert focused.text.strip() == "Method"
    outline = focused.value_of_css_property("outline-style")
    assert outline == "solid"
    press(Keys.ENTER)
    assert column(opened, "method") == sorted(column(opened, "method"))
    press(Keys.SPACE)
    assert column(opened, "method") == sorted(column(opened, "method"), reverse=True)
    while focused.tag_name != "summary":
        focused = press(Keys.TAB)
    press(Keys.ENTER)
    unfolded = [d for d in opened.find_elements("css selector", "#main details") if d.get_attribute("open")]
    assert len(unfolded) == 1
    assert "python -m benchmark run --methods" in unfolded[0].text


def test_filters_narrow_the_page(opened: Any) -> None:
    opened.find_element("name", "env").send_keys("Push-T")
    assert {row.get_attribute("data-env") for row in seen(opened)} == {"pusht"}
    assert opened.find_element("id", "status").text.startswith("12 of 18")
    places = "return [...document.querySelectorAll('figure')].filter((f) => f.checkVisibility()).map((f) => f.dataset.env)"
    assert set(opened.execute_script(places)) == {"pusht"}
    opened.find_element("name", "policy").send_keys("mlp")
    opened.find_element("name", "method").send_keys("DYNA")
    assert methods(opened) == ["dynamo", "dynamo:no_forward"]
    heading(opened, "score").find_element("tag name", "button").click()
    assert len(seen(opened)) == 2
    opened.find_element("css selector", "form button").click()
    opened.execute_async_script("setTimeout(arguments[0])")  # a form is reset after its event: the page filters a tick later
    assert len(seen(opened)) == 18
    opened.find_element("name", "seeds").send_keys("1")
    assert set(methods(opened)) == {"state", "byol", "dynamo", "dynamo:no_forward", "random"}


def test_a_stage_key_leads_to_its_manifest(opened: Any) -> None:
    row = seen(opened)[0]
    row.find_element("tag name", "summary").click()
    link = row.find_element("css selector", 'a[href^="#stage-"]')
    anchor = link.get_attribute("href").split("#")[1]
    link.click()
    manifest = opened.find_element("id", anchor)
    assert manifest.get_attribute("open")
    assert '"kind": "rollout"' in manifest.text


def test_a_desk_shows_every_column(opened: Any) -> None:
    """The widest columns of the longest rows, so with all that a run of three seeds fills them with."""
    shown, needed = opened.execute_script(
        "const t = document.querySelector('#main').parentElement; return [t.clientWidth, t.scrollWidth]"
    )
    assert needed <= shown


def test_a_phone_shows_it_without_scrolling_sideways(opened: Any) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        width, window = opened.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert width <= window == 390
        heading(opened, "score").find_element("tag name", "button").click()
        assert column(opened, "score") == sorted(column(opened, "score"), reverse=True)
        labels = opened.execute_script("return getComputedStyle(document.querySelector('#main td.score'), '::before').content")
        assert labels == '"Score"'
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
