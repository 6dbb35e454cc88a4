"""Every page of the built site in a browser: pictures are there, and nothing is wrong.

It needs Selenium, Chromium with its driver, and ``make -C docs html`` before: `nox -s docs`.
"""

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote_plus

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
SITE = Path(__file__).parent / "_build" / "html"
PAGES = [page.relative_to(SITE).as_posix() for page in sorted(SITE.rglob("*.html"))]
PAGES = [page for page in PAGES if not page.startswith("_")]  # templates of the theme
WIDTHS = 1920, 1280, 400
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
LOADED = """
const images = [...document.images];
images.forEach(image => image.loading = 'eager');
return images.every(image => image.complete);
"""
BROKEN = """
return [...document.querySelectorAll('.bd-article img')]
    .filter(image => !(image.naturalWidth > 0 && image.getBoundingClientRect().width > 0))
    .map(image => image.src);
"""
UNREADABLE = """
const lines = element => {
    const range = document.createRange();
    range.selectNodeContents(element);
    return range.getClientRects().length;
};
const parameters = [...document.querySelectorAll('.field-list dt > strong')];
const links = [...document.querySelectorAll('.prev-next-area a')];
return [
    ...parameters.filter(name => lines(name) > 1),
    ...links.filter(link => link.scrollWidth > link.clientWidth + 1),
].map(element => element.textContent.trim());
"""
WIDER_THAN_WINDOW = """
return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1;
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site():
    if not PAGES:
        pytest.skip("no pages: make -C docs html")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory, site):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium with chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in [*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    browser.get(site)  # the theme finds no stored choice of colours, and says so, once
    browser.get_log("browser")
    yield browser
    browser.quit()


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("elastic net", "user_guide/finite_sums.html"),
        ("regularization path", "linear_model.regularization_path.html"),
        ("pandas", "auto_tasks/plot_1_data_frames.html"),
        ("LinearSVC", "how_to/from_sklearn.html"),
        ("multilabel", "how_to/choose.html"),
    ],
)
def test_search_finds(browser, site, words, page):
    browser.set_window_size(1280, 900)
    browser.get(f"{site}/search.html?q={quote_plus(words)}")
    found = f"#search-results a[href*='{page}']"
    WebDriverWait(browser, 20).until(
        lambda browser: browser.find_elements("css selector", found),
        f"{words}: {page} is not found",
    )


@pytest.mark.parametrize("page", PAGES)
def test_page(browser, site, page):
    for width in WIDTHS:
        browser.set_window_size(width, 900)
        browser.get(f"{site}/{page}")
        WebDriverWait(browser, 20).until(lambda browser: browser.execute_script(LOADED))
        assert browser.execute_script(BROKEN) == []
        assert browser.execute_script(UNREADABLE) == [], f"cut, or in pieces, at {width} px"
        assert not browser.execute_script(WIDER_THAN_WINDOW), f"wider than {width} px"
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []
