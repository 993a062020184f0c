"""The chart as Kubernetes would get it: rendered by helm, once for each choice of values."""

import functools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT

CHART = ROOT / "deploy/helm/rudderproj"
PRESETS = ("single", "multi")
TAKEN = Path(__file__).parent / "tools/helm"
# In C where PyYAML was built with it: the dashboard is long.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Object = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm; skips the test where there is none."""
    found = shutil.which("helm") or (str(TAKEN) if TAKEN.exists() else None)
    if found is None:
        pytest.skip("no helm: tests/deploy/install.sh (`make test`) has it from PyPI, for Linux on x86_64 alone")
    return subprocess.run([found, *arguments], capture_output=True, text=True)


def template(preset: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`helm template` with a preset and further options."""
    values = str(CHART / f"values-{preset}-az.yaml")
    return helm("template", "rudderproj", str(CHART), "-f", values, *options)


@functools.cache
def objects(preset: str, *options: str) -> tuple[Object, ...]:
    """Everything that is installed. Not to be changed: others read it too."""
    done = template(preset, *options)
    assert done.returncode == 0, done.stderr
    return tuple(one for one in yaml.load_all(done.stdout, LOADER) if one)


def of_kind(preset: str, kind: str, *options: str) -> list[Object]:
    return [one for one in objects(preset, *options) if one["kind"] == kind]


def part(one: Object) -> str:
    """Which of our components it belongs to."""
    return str(one["metadata"]["labels"]["app.kubernetes.io/component"])


def pods(preset: str, *options: str) -> dict[str, Object]:
    """The spec of the pods of each component."""
    owners = [*of_kind(preset, "Deployment", *options), *of_kind(preset, "Job", *options)]
    return {part(owner): owner["spec"]["template"]["spec"] for owner in owners}


def containers(preset: str, *options: str) -> Iterator[tuple[str, Object]]:
    """(component, container) of every pod."""
    for name, pod in pods(preset, *options).items():
        for container in pod["containers"]:
            yield name, container


def text(one: Any) -> str:
    return json.dumps(one)
