"""Looks at the status page as people do: in chromium, by roles and names, on a phone and on a wide screen.

    browse.py SCENARIO < what the test knows, as JSON

`url` is where the page is, `pictures` the folder for screenshots; each scenario says what else it wants. Whatever is not as
it should be ends the program with a trace.
"""

import contextlib
import json
import re
import sys
import tempfile
import time
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

WIDE, NARROW = 1280, 360
SCHEMES = ("light", "dark")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Browser:
    """Chromium, which fails when a page complains or asks anybody else."""

    def __init__(self, playwright, knows):
        self.playwright = playwright
        self.url = knows["url"]
        self.pictures = knows["pictures"]
        self.complaints = []

    @contextlib.contextmanager
    def page(self, width=WIDE, scheme="light", scripts=False):
        """A page of its own, in a profile of its own."""
        with tempfile.TemporaryDirectory() as profile:
            context = self.playwright.chromium.launch_persistent_context(
                profile,
                executable_path="/usr/bin/chromium",
                headless=True,
                args=FLAGS,
                viewport={"width": width, "height": 800},
                color_scheme=scheme,
                java_script_enabled=scripts,
                base_url=self.url,
            )
            page = context.new_page()
            page.on("console", self.heard)
            page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
            page.on("request", self.asked)
            yield page
            context.close()
        assert not self.complaints, self.complaints

    def heard(self, message):
        # A page that is not there is answered with 404, which the console repeats.
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def asked(self, request):
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.complaints.append(f"asked another: {request.url}")

    def look(self, page, name, bytes_at_most):
        """What every page must be, however wide the screen is and whatever its colours."""
        for width in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": 800})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=f"{self.pictures}/{name}-{width}-{scheme}.png", full_page=True)
                fits = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
                assert fits[0] <= fits[1], f"{name} is {fits[0]} wide on a screen of {fits[1]}"
                found = Axe().run(page)
                assert not found.violations_count, f"{name} {width} {scheme}: {found.generate_report()}"
        content = page.content()
        assert "<script" not in content and not re.search(r"<[^>]*\son\w+\s*=", content), f"{name} has a script"
        reply = page.request.get(page.url, headers={"accept": "text/html"})
        assert len(reply.body()) <= bytes_at_most, f"{name} has {len(reply.body())} bytes"
        policy = reply.headers["content-security-policy"]
        for part in ("default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"):
            assert part in policy, policy
        assert "unsafe" not in policy, policy
        print(f"status page, {name}: {len(reply.body())} bytes")


def row(page, name):
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def few(browser, knows):
    """Five secrets of a real daemon, each in a state of its own."""
    with browser.page(scripts=True) as page:
        page.goto("/")
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"2 of 5 passwords need a person"))
        for landmark in ("banner", "main", "contentinfo"):
            expect(page.get_by_role(landmark)).to_have_count(1)
        for name, (state, words) in knows["states"].items():
            expect(row(page, name)).to_contain_text(state)
            expect(row(page, name)).to_contain_text(words)
        names = page.get_by_role("table", name="Secrets").get_by_role("rowheader").all_inner_texts()
        assert [name.split()[0] for name in names[:2]] == knows["trouble"], names
        expect(row(page, knows["overlap"])).to_contain_text("valid until")
        expect(page.get_by_role("table", name="Policies").get_by_role("rowheader")).to_have_count(3)
        browser.look(page, "few", 40_000)
    with browser.page() as page:
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.get_by_role("link", name="1 halted").click()
        expect(page.get_by_role("table", name="Secrets").get_by_role("rowheader")).to_have_count(1)
        page.get_by_role("link", name="Show all").click()
        page.get_by_role("table", name="Secrets").get_by_role("link", name=knows["rotated"], exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(knows["rotated"])
        expect(page.get_by_role("main")).to_contain_text("Rotated in")
        expect(page.get_by_role("main")).to_contain_text("woken by")
    secret_page(browser, knows["rotated"], "rotated", ["create", "set", "test", "finish", "overlap", "retire"])
    secret_page(browser, knows["waiting"], "rotating", ["create", "set", "test"])
    with browser.page() as page:
        page.goto("/")
        page.get_by_role("table", name="Secrets").get_by_role("link", name=knows["halted"], exact=True).click()
        expect(page.get_by_role("main")).to_contain_text("docs/runbooks/halted.md")
        expect(page.get_by_role("main")).to_contain_text("The document lacks")


def secret_page(browser, name, called, steps):
    with browser.page(scripts=True) as page:
        page.goto("/")
        page.get_by_role("table", name="Secrets").get_by_role("link", name=name, exact=True).click()
        picture = page.get_by_role("img", name=re.compile("^Steps of the rotation that began at"))
        expect(picture).to_have_count(1)
        for step in steps:
            expect(picture).to_have_accessible_description(re.compile(rf"\b{step}: .* \d+\.\d s"))
        if called == "rotating":
            expect(picture).to_have_accessible_description(re.compile("so far, .* waiting"))
        browser.look(page, called, 40_000)


def paused(browser, knows):
    """A secret that an operator paused, with words that a browser must not take for its own."""
    with browser.page() as page:
        page.goto("/")
        expect(row(page, knows["secret"])).to_contain_text("paused")
        expect(row(page, knows["secret"])).to_contain_text(knows["reason"])
        page.get_by_role("link", name="1 paused").click()
        expect(page.get_by_role("table", name="Secrets").get_by_role("rowheader")).to_have_count(1)


def refused(browser, knows):
    """A page that is not there, and parameters that make no sense, in words."""
    with browser.page(scripts=True) as page:
        for path, status, words in (
            ("/nowhere", 404, "nothing is served at /nowhere"),
            ("/secret?name=nobody", 404, "no policy covers a secret called"),
            ("/secret", 400, "Give the name or ARN"),
            ("/?page=none", 400, 'page cannot be "none"'),
            ("/?state=happy", 400, "it is one of needs_a_person"),
            ("/?colour=red", 400, "this page knows nothing of"),
            ("/?q=a&q=b", 400, "is given twice"),
            ("/?refresh=0", 400, "from 5 to 3600"),
            ("/?policy=nobodys", 404, "no policy is called"),
        ):
            reply = page.goto(path)
            assert reply.status == status, f"{path}: {reply.status}"
            expect(page.get_by_role("main")).to_contain_text(words)
        browser.look(page, "refused", 6_000)
        reply = page.goto("/?refresh=30")
        assert reply.headers["refresh"] == "30", reply.headers


def many(browser, knows):
    """A thousand secrets: found, filtered, sorted and turned over without a script."""
    with browser.page(width=NARROW) as page:
        began = time.monotonic()
        page.goto("/")
        print(f"status page, 1,000 secrets: shown after {1000 * (time.monotonic() - began):.0f} ms")
        rows = page.get_by_role("table", name="Secrets").get_by_role("rowheader")
        expect(rows).to_have_count(50)
        expect(page.get_by_role("main")).to_contain_text("1–50 of 1,000 secrets")
        page.get_by_role("link", name="Next").click()
        expect(page.get_by_role("main")).to_contain_text("51–100 of 1,000 secrets")
        expect(page.get_by_role("navigation", name="Pages")).to_contain_text("Page 2 of 20")
        page.get_by_role("link", name="Last").click()
        expect(page.get_by_role("main")).to_contain_text("951–1,000 of 1,000 secrets")
        expect(page.get_by_role("link", name="Next")).to_have_count(0)

        search = page.get_by_role("searchbox", name="Search")
        search.fill(knows["one"])
        search.press("Enter")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text(knows["one"])
        expect(page.get_by_role("searchbox", name="Search")).to_have_value(knows["one"])
        page.get_by_role("searchbox", name="Search").fill("nobody at all")
        page.get_by_role("searchbox", name="Search").press("Enter")
        expect(page.get_by_role("main")).to_contain_text("None of 1,000 secrets fits")

        page.get_by_role("link", name="Show all").click()
        page.get_by_role("combobox", name="Policy").select_option(knows["policy"])
        page.get_by_role("combobox", name="State").select_option("halted")
        page.get_by_role("combobox", name="Order").select_option("last")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("main")).to_contain_text(f"of {knows['halted']} secrets that fit")
        policies = page.get_by_role("table", name="Secrets").get_by_role("rowheader").all_inner_texts()
        assert all(knows["policy"] in text for text in policies), policies
        times = [cell.get_attribute("datetime") for cell in page.locator("td[data-column='Last rotation'] time").all()]
        assert times == sorted(times) and len(set(times)) > 1, times
        expect(page.get_by_role("combobox", name="Order")).to_have_value("last")
    with browser.page(scripts=True) as page:
        page.goto("/")
        browser.look(page, "many", 80_000)


def well(browser, knows):
    """What is seen on most days."""
    with browser.page(scripts=True) as page:
        page.goto("/")
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("All 16 passwords are fresh"))
        expect(page.get_by_role("link", name="need a person")).to_have_count(0)
        browser.look(page, "well", 40_000)


def hostile(browser, knows):
    """Names and words that would be markup, steer the text or be endless."""
    with browser.page(scripts=True) as page:
        page.on("dialog", lambda dialog: browser.complaints.append("a dialog"))
        page.goto("/")
        shown = page.get_by_role("table", name="Secrets")
        for name in knows["names"]:
            expect(shown.get_by_role("link", name=name["shown"], exact=True)).to_have_count(1)
        browser.look(page, "hostile", 60_000)
        for name in knows["names"]:
            page.goto("/")
            page.get_by_role("table", name="Secrets").get_by_role("link", name=name["shown"], exact=True).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(name["shown"])
            page.goto("/")
            search = page.get_by_role("searchbox", name="Search")
            search.fill(name["searched"])
            search.press("Enter")
            expect(page.get_by_role("table", name="Secrets").get_by_role("rowheader")).to_have_count(1)
        browser.look(page, "hostile-search", 60_000)


def main():
    scenarios = (few, paused, refused, many, well, hostile)
    scenario = {scenario.__name__: scenario for scenario in scenarios}[sys.argv[1]]
    knows = json.load(sys.stdin)
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        scenario(Browser(playwright, knows), knows)


main()
