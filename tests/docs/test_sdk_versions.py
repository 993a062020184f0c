"""The SDK versions that the page calls tested are those that the tests install."""

import json
import re
from pathlib import Path

from tests.docs.pages import ROOT

PAGE = ROOT / "docs/reference/sdk-answers.md"
ROW = re.compile(r"^\| `([^`]+)` \| (\S+) \| `([^`]+)` \| run", re.MULTILINE)
SDK = re.compile(r"(rudder-sdk|segment-analytics)-python|@(rudderstack|segment)/(analytics-.+|rudder-sdk-node)")
# Parts of the others.
LIBRARIES = {f"@segment/analytics-{part}" for part in ("core", "generic-utils", "page-tools")}


def pinned(path: Path) -> dict[str, str]:
    """The SDKs that a file pins, with their versions."""
    if path.suffix == ".txt":
        found = dict(line.split("==") for line in path.read_text().split() if "==" in line)
    else:
        packages = json.loads(path.read_text())["packages"]
        found = {name.removeprefix("node_modules/"): of["version"] for name, of in packages.items() if "version" in of}
    return {name: version for name, version in found.items() if SDK.fullmatch(name) and name not in LIBRARIES}


def test_the_versions_called_tested_are_those_that_the_tests_install() -> None:
    told = set(ROW.findall(PAGE.read_text()))
    files = {path for _, _, path in told}

    assert files == {
        "requirements-dev.txt",
        "tests/sdk/node/package-lock.json",
        "destinations/demo/sdk/package-lock.json",
        "tests/browser/sdk/package-lock.json",
    }
    assert told == {(name, version, path) for path in files for name, version in pinned(ROOT / path).items()}
