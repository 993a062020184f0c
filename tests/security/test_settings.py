"""Settings are judged at start: alone, together, and for what only a serving process needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rudderproj import env, metrics_server
from rudderproj.env_rules import METRICS_PORTS, doubts, serving_problems, suspicious

ROOT = Path(__file__).resolve().parents[2]
KEY = "b25seSBmb3IgdGVzdHMsIG5vIHNlY3JldCBhdCBhbGw="
SERVING = {"SECRET_KEY": "x", "SECRETS_KEYS": KEY, "DATABASE_URL": "postgresql:///x"}


def refusal(**values: str) -> str:
    with pytest.raises(env.EnvError) as caught:
        env.read(values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("WEB_PORT", "65536", "WEB_PORT ('65536'): expected a port, 1 to 65535"),
        ("FLOWER_PORT", "-1", "FLOWER_PORT ('-1'): expected a whole number above 0"),
        ("FORWARD_SHARE", "two", "FORWARD_SHARE ('two'): expected a whole number above 0"),
        ("FORWARD_TIMEOUT_SECONDS", "10s", "FORWARD_TIMEOUT_SECONDS ('10s'): expected seconds above 0"),
        ("FORWARD_TIMEOUT_SECONDS", "nan", "FORWARD_TIMEOUT_SECONDS ('nan'): expected seconds above 0"),
        ("FORWARD_AUTOSCALE", "8", "FORWARD_AUTOSCALE ('8'): expected LARGEST,SMALLEST, as 8,1"),
        ("FORWARD_AUTOSCALE", "0,0", "FORWARD_AUTOSCALE ('0,0'): expected LARGEST,SMALLEST, as 8,1"),
        (
            "FORWARD_AUTOSCALE",
            "1,8",
            "FORWARD_AUTOSCALE ('1,8'): the first number is the largest: it must not be below the second",
        ),
        (
            "ALLOWED_HOSTS",
            "a,https://b",
            "ALLOWED_HOSTS ('a,https://b'): entry 2: expected a host name, without scheme, port or path",
        ),
        (
            "CSRF_TRUSTED_ORIGINS",
            "admin.example.com",
            "CSRF_TRUSTED_ORIGINS ('admin.example.com'): entry 1: expected an origin, as https://admin.example.com",
        ),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/33",
            "TRUSTED_PROXIES ('10.0.0.0/33'): '10.0.0.0/33' does not appear to be an IPv4 or IPv6 network",
        ),
        (
            "DATABASE_URL",
            "postgresql://h/d?sslmode=on",
            "DATABASE_URL: sslmode: expected one of disable, allow, prefer, require, verify-ca, verify-full",
        ),
        (
            "DATABASE_URL",
            "postgresql://h:port/d",
            "DATABASE_URL: expected a URL starting with postgres:// or postgresql://",
        ),
        (
            "RETRY_AFTER_SECONDS",
            "3601",
            "RETRY_AFTER_SECONDS ('3601'): expected at most 3600 seconds",
        ),
        (
            "SECRETS_KEYS",
            f"{KEY},c2hvcnQ=",
            "SECRETS_KEYS: key 2: expected 32 bytes in base64, as `openssl rand -base64 32` prints",
        ),
        ("SECRETS_KEYS", f"{KEY},{KEY}", "SECRETS_KEYS: a key is named twice"),
    ],
)
def test_a_value_is_refused_in_one_line_that_says_what_is_expected(name: str, value: str, line: str) -> None:
    assert refusal(**{name: value}) == line


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"RETRY_BASE_SECONDS": "10", "RETRY_MAX_SECONDS": "5"},
            "RETRY_BASE_SECONDS is above RETRY_MAX_SECONDS: the first delay would be longer than the longest",
        ),
        (
            {"WEB_BODY_MEMORY_BYTES": "1000"},
            "INGEST_MAX_BODY_BYTES is above WEB_BODY_MEMORY_BYTES: the largest body would never be accepted",
        ),
        (
            {"WEB_THREADS": "20", "WEB_MAX_REQUESTS": "10"},
            "WEB_THREADS is above WEB_MAX_REQUESTS: some threads would never work",
        ),
        ({"HTTPS_ONLY": "1"}, "HTTPS_ONLY needs TRUSTED_PROXIES: without, no request is known to have come by https"),
        (
            {"METRICS_PORT": "65534"},
            "METRICS_PORT: 3 ports from there on are needed, and there are none above 65535",
        ),
        ({"METRICS_PORT": "8078"}, "METRICS_PORT: the 3 ports from there on include WEB_PORT"),
    ],
)
def test_values_that_do_not_go_together_are_refused(values: dict[str, str], line: str) -> None:
    assert refusal(**values) == line


def test_both_alphabets_of_base64_and_spaces_around_make_the_same_key() -> None:
    raw = "-_" * 21 + "8="
    plain = raw.replace("-", "+").replace("_", "/")
    assert env.read({"SECRETS_KEYS": f" {plain} , {KEY}"})["SECRETS_KEYS"] == [raw, KEY]


@pytest.mark.parametrize("missing", sorted(SERVING))
def test_a_serving_process_needs_its_keys_and_a_database(missing: str) -> None:
    assert serving_problems(env.read(SERVING)) == []
    (problem,) = serving_problems(env.read(SERVING | {missing: ""}))
    assert problem.startswith(f"{missing} is not set: ")


@pytest.mark.process
@pytest.mark.parametrize(
    "command",
    [
        ["rudderproj.server"],
        ["celery", "-A", "rudderproj", "worker", "-Q", "forward"],
        ["celery", "-A", "rudderproj", "beat", "-s", "schedule"],
    ],
    ids=["web", "worker", "beat"],
)
def test_no_process_starts_without_a_key_for_secrets(command: list[str], tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "SECRETS_KEYS"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=environ | {"DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("rudderproj: ")]
    assert done.returncode == 2
    assert said == [
        "rudderproj: SECRETS_KEYS is not set: destinations' secrets could not be read (`openssl rand -base64 32`, "
        "the same in every process)"
    ]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "FORWARD_TIMEOUT",
            ["FORWARD_TIMEOUT is not a setting and has no effect; did you mean FORWARD_TIMEOUT_SECONDS?"],
        ),
        ("DATABASE_URI", ["DATABASE_URI is not a setting and has no effect; did you mean DATABASE_URL?"]),
        ("RETRY_FOREVER", ["RETRY_FOREVER is not a setting and has no effect"]),
        ("DATABASE_URL", []),
        ("FLOWER_BASIC_AUTH", []),
        ("HOME", []),
    ],
)
def test_a_name_that_looks_like_a_setting_and_is_none_is_pointed_out(name: str, lines: list[str]) -> None:
    found = suspicious([name], [variable.name for variable in env.VARIABLES])
    assert found == lines


def test_what_is_dangerous_where_others_come_is_warned_about_there_alone() -> None:
    risky = {"DEBUG": "1", "INBOX_ENABLED": "1", "METRICS_OPEN": "1", "ALLOWED_HOSTS": "*"}
    assert doubts(env.read(risky)) == []
    found = doubts(env.read(risky | {"WEB_HOST": "0.0.0.0"}))
    assert [line.split()[0] for line in found] == ["DEBUG", "INBOX_ENABLED", "METRICS_OPEN", "ALLOWED_HOSTS"]
    public = doubts(env.read(risky | {"WEB_HOST": "0.0.0.0", "PUBLIC_ONLY": "1"}))
    assert [line.split()[0] for line in public] == ["DEBUG", "ALLOWED_HOSTS"]


def test_metrics_have_a_port_for_each_role() -> None:
    assert len(metrics_server.ROLES) == METRICS_PORTS
