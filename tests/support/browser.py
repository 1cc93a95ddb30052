"""A real browser, as the end-to-end tests drive it: Chromium, without any network but this machine's."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.processes import ROOT
from tests.support.servers import missing

PATIENCE_MS = 300_000
"""How long a page may take: MLflow's is megabytes of scripts, and the machine may be busy."""

_QUIET = """
if (location.protocol === "http:") {
    localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
    localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
}
"""
"""What MLflow opens over its pages on the first visit has been seen. Blank pages have no storage."""

_STYLE = "[data-assistant-ui] { visibility: hidden }"
"""For pictures: without the button that floats over MLflow's pages."""


def _chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, names)), None)
    return found or missing("Chromium", "chromium")


@contextmanager
def chromium():
    with sync_playwright() as playwright:
        # Without a sandbox it also starts as root, as in a container.
        browser = playwright.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield browser
        browser.close()


@contextmanager
def visit(browser, width=1400, height=900, known=None):
    """A context of a visitor, and the addresses that were asked for and refused.

    A new one, unless `known` is the state of storage that an earlier one left.

    Its pages reach 127.0.0.1 alone.
    """
    context = browser.new_context(viewport={"width": width, "height": height}, storage_state=known)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_QUIET)
    refused = []

    def route(one):
        if one.request.url.startswith("http://127.0.0.1:"):
            one.continue_()
        else:
            refused.append(one.request.url)
            one.abort()

    context.route("**/*", route)
    yield context, refused
    context.close()


def rows(page):
    """The cells of MLflow's runs table by the name of their column, a dict a row, from above."""
    return page.evaluate(
        """() => {
            const rows = {};
            for (const row of document.querySelectorAll(".ag-row")) {
                const cells = (rows[row.getAttribute("row-index")] ??= {});
                for (const cell of row.querySelectorAll("[col-id]"))
                    cells[cell.getAttribute("col-id")] = (cell.querySelector("a") ?? cell).textContent;
            }
            return Object.keys(rows).sort((a, b) => a - b).map((index) => rows[index]);
        }"""
    )


def keep_picture(page, name):
    """Saves what the page shows, in $STUDY_ARTIFACTS or `artifacts` at the top of the tree."""
    folder = Path(os.environ.get("STUDY_ARTIFACTS") or ROOT / "artifacts")
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", style=_STYLE)
