"""The book as `make site` built it."""

import json
import os
import random

import pytest
from playwright.sync_api import sync_playwright
from support.lab import find_chromium, launch
from support.site import served

from pages.__main__ import SITE


@pytest.fixture(scope="session")
def manifest():
    return json.loads((SITE / "live" / "manifest.json").read_text())


@pytest.fixture(scope="session")
def address():
    with served(SITE) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    path = find_chromium()
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no Chromium found")
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()


@pytest.fixture
def chance():
    return random.Random(17)
