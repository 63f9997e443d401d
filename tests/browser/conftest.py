"""The browser that a file of tests shares."""

import os

import pytest
from playwright.sync_api import sync_playwright
from support.lab import find_chromium, launch


# It ends before the worker goes on to another file: an open Playwright leaves an event loop running, which other tests'
# kernels must not meet.
@pytest.fixture(scope="module")
def chromium():
    path = find_chromium()
    if path is None:
        reason = "no Chromium found; on Debian: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()
