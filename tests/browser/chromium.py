"""The system's Chromium, driven by Playwright. Must never download a browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium on this machine: tests/browser/install.sh installs it as root on Debian, or set CHROMIUM"


def executable() -> str | None:
    """Where it is; None when there is none."""
    names = [name for name in (os.environ.get("CHROMIUM"), *NAMES) if name]
    return next((found for name in names if (found := shutil.which(name))), None)


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    """A browser until the end of the block."""
    # Root has no sandbox, and a container's /dev/shm is small.
    arguments = ["--disable-dev-shm-usage", "--no-sandbox"] if os.geteuid() == 0 else ["--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()
