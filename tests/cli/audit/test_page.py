"""The HTML report in a real browser: search, sorting, hostile text, and no request but the page itself."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.audit.browser import Page, page
from tests.cli.audit.evidence import evidence, shop

from dynconfig.cli.audit import page as html
from dynconfig.cli.audit.evidence import Evidence
from dynconfig.cli.audit.tables import tables
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.tools

# Each runs or loads something if it is not text. The last one is shown in another order than it is written.
HOSTILE = (
    "<script>document.title='hacked'</script>",
    "</td></table></main><script>document.title='hacked'</script>",
    '"><img src="http://attacker.invalid/a.png" onerror="document.title=\'hacked\'">',
    "<style>@import 'http://attacker.invalid/a.css'; body { display: none }</style>",
    "<base href='http://attacker.invalid/'><meta http-equiv=refresh content='0;url=http://attacker.invalid/'>",
    "&lt;b&gt; &amp;amp; ]]> --> <!-- \u202egnp.exe \x00\x1b[2J",
)
SHOWN = HOSTILE[-1].replace("\u202e", "\\u202e").replace("\x00", "\\x00").replace("\x1b", "\\x1b")


@pytest.fixture(scope="module")
def chromium() -> Path:
    found = shutil.which("chromium")
    if not found:
        pytest.skip("Chromium is not on PATH; on Debian: apt-get install chromium")
    return Path(found)


@pytest.fixture(scope="module")
def browser(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with page(chromium, tmp_path_factory.mktemp("profile")) as found:
        yield found


def opened(browser: Page, folder: Path, found: Evidence) -> Page:
    """The report in the browser."""
    file = folder / "report.html"
    text = "\n".join(html.lines(found, tables(found)))
    file.write_bytes(text.encode("ascii", "xmlcharrefreplace"))
    browser.requests.clear()
    browser.violations.clear()
    browser.open(file)
    return browser


def search(browser: Page, words: str, matches: str) -> None:
    """Type into the search box, and wait until the page shows so many matches."""
    browser.run("document.getElementById('search').focus(); document.getElementById('search').select()")
    browser.call("Input.insertText", text=words)
    assert wait_until(lambda: browser.run("document.getElementById('found').value") == matches, 30)


def column(browser: Page, table: str, number: int) -> list[str]:
    """The texts of a column, without the hidden rows."""
    rows = f"[...document.querySelectorAll('#{table} tbody tr')].filter((row) => row.checkVisibility())"
    found: list[str] = browser.run(f"{rows}.map((row) => row.cells[{number}].textContent)")
    return found


def test_search_filters_every_table_and_counts_the_matches(browser: Page, tmp_path: Path) -> None:
    shown = opened(browser, tmp_path, evidence(*(shop(f"app-{number}") for number in range(12))))
    assert len(column(shown, "objects", 3)) == 12
    search(shown, "APP-7 shop", "5 rows match")
    assert column(shown, "objects", 3) == ["app-7"]
    assert column(shown, "resources", 3) == ["app-7"]
    assert shown.run("document.querySelector('#objects .count').textContent") == "1 of 12"
    search(shown, "no such words", "0 rows match")
    assert column(shown, "objects", 3) == []
    search(shown, " ", "")
    assert len(column(shown, "objects", 3)) == 12


def test_click_on_a_heading_sorts_by_number_and_then_descending(browser: Page, tmp_path: Path) -> None:
    shown = opened(browser, tmp_path, evidence(*(shop(f"app-{number}") for number in (10, 9, 100, 1))))
    click = "document.querySelectorAll('#objects th button')[3].click()"
    heading = "document.querySelectorAll('#objects th')[3].getAttribute('aria-sort')"
    shown.run(click)
    assert (column(shown, "objects", 3), shown.run(heading)) == (["app-1", "app-9", "app-10", "app-100"], "ascending")
    shown.run(click)
    assert (column(shown, "objects", 3), shown.run(heading)) == (["app-100", "app-10", "app-9", "app-1"], "descending")
    assert shown.run("document.querySelectorAll('#objects th[aria-sort]').length") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_tenants_is_text_in_every_cell(browser: Page, tmp_path: Path, text: str) -> None:
    found = evidence(shop("app", hostile=text), hostile=text)
    elements = "[...document.querySelectorAll('*')].map((each) => each.localName).join(' ')"
    usual = opened(browser, tmp_path, replace(evidence(shop("app")), not_read={"Targets": "forbidden"}))
    wanted = usual.run(elements)
    shown = opened(browser, tmp_path, replace(found, scope=f"namespace {text}", not_read={text: text}))
    assert shown.run("document.title").startswith("DynamicConfig report: namespace")
    assert shown.run(elements) == wanted
    (message,) = column(shown, "objects", 13)
    assert message == (SHOWN if text == HOSTILE[-1] else text)
    assert [url for url in shown.requests if not url.startswith("file:")] == []
    assert shown.violations == []


def test_page_loads_nothing_and_runs_no_other_script(browser: Page, tmp_path: Path) -> None:
    shown = opened(browser, tmp_path, evidence(shop("app")))
    assert shown.requests == [(tmp_path / "report.html").as_uri()]
    assert shown.violations == []
    assert shown.run("document.getElementById('search').disabled") is False
    # Even if an element came into the page, nothing would run or be loaded.
    shown.run(
        "const script = document.createElement('script'); script.textContent = \"document.title = 'hacked'\";"
        "document.body.append(script); document.body.insertAdjacentHTML('beforeend',"
        '\'<img src=http://attacker.invalid/a.png onerror="document.title=1"><p style="color: red">\')'
    )
    assert wait_until(lambda: shown.run("document.title") and len(shown.violations) >= 3, 30)
    assert shown.run("document.title") == "DynamicConfig report: all namespaces"
    assert all("Content Security Policy" in text for text in shown.violations)


def test_page_is_accessible_by_name_and_keyboard(browser: Page, tmp_path: Path) -> None:
    shown = opened(browser, tmp_path, evidence(shop("app")))

    def named() -> list[tuple[str, str]]:
        tree = shown.call("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if "role" in node]

    # The browser builds the tree after the page.
    wanted = {("searchbox", "Search"), ("columnheader", "Account"), ("heading", "Drift now 1")}
    assert wait_until(lambda: wanted <= set(named()), 30), named()
    assert [name for role, name in named() if role == "region"].count("Drift now 1") == 2
    assert [role for role, name in named() if role == "button" and not name] == []
