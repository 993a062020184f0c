"""What is written at run time lies where a pod and the image let it be written, and is there after a start."""

import re
from pathlib import Path
from typing import Any

from alerts.watch import cache, disk, outage
from rudderproj.stack import services
from rudderproj.stack.datadir import open_data_dir
from tests.deploy.chart import CHART
from tests.deploy.product import DATA_DIR
from tests.docs.pages import ROOT


def mounts() -> set[Path]:
    """What a pod of the product may write below the data folder: its root is read-only."""
    template = (CHART / "templates/_pod.tpl").read_text()
    assert "readOnlyRootFilesystem: true" in template
    mounted = {Path(found) for found in re.findall(r"mountPath: ([^\s,}]+)", template)}
    return {path.relative_to(DATA_DIR) for path in mounted if path.is_relative_to(DATA_DIR)}


def test_the_image_has_the_folders_that_a_pod_mounts() -> None:
    made = re.search(r"install -d -o 10001 -g 10001 /data (.*)", (ROOT / "Dockerfile").read_text())
    assert made
    assert {Path(path).relative_to(DATA_DIR) for path in made[1].split()} == mounts() == {Path("lives"), Path("run")}


def test_what_the_watch_remembers_is_where_a_pod_may_write(settings: Any, tmp_path: Path) -> None:
    settings.ENV = settings.ENV | {"DATA_DIR": str(tmp_path)}
    for mount in mounts():
        (tmp_path / mount).mkdir()
    for name in (cache.FILE, outage.FILE):
        disk.keep(name, ["remembered"])

    written = {path for path in tmp_path.rglob("*") if path.is_file()}

    assert {path.name for path in written} == {cache.FILE, outage.FILE}
    assert {path.parent.relative_to(tmp_path) for path in written} <= mounts()
    assert {oct(path.stat().st_mode & 0o777) for path in written} == {"0o600"}
    assert [disk.read(name) for name in (cache.FILE, outage.FILE)] == [["remembered"], ["remembered"]]


def test_a_worker_started_by_hand_makes_the_folder_for_itself_alone(settings: Any, tmp_path: Path) -> None:
    settings.ENV = settings.ENV | {"DATA_DIR": str(tmp_path)}
    disk.keep(cache.FILE, ["remembered"])
    (made,) = tmp_path.iterdir()
    assert oct(made.stat().st_mode & 0o777) == "0o700"
    assert disk.read(cache.FILE) == ["remembered"]


def test_what_the_watch_remembers_outlasts_a_start_of_the_stack(settings: Any, tmp_path: Path) -> None:
    settings.ENV = settings.ENV | {"DATA_DIR": str(tmp_path / "data")}
    data = open_data_dir(str(tmp_path / "data"))
    try:
        assert oct(data.run.stat().st_mode & 0o777) == "0o700"
        disk.keep(cache.FILE, ["remembered"])
        services.end_former_run(data)
    finally:
        data.close()
    assert disk.read(cache.FILE) == ["remembered"]
