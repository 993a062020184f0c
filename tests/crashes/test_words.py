"""What a report quotes of a log: the right traceback, and neither rows nor secrets."""

import json
import subprocess
import sys

import pytest

from rudderproj import own_secrets
from rudderproj.guard import words
from rudderproj.guard.report import environment
from rudderproj.masking import MASK

PLAIN = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    boom()\nValueError: no'


def logged(event: str, **fields: str) -> str:
    return json.dumps({"event": event, **fields})


def died(program: str) -> str:
    """What a real process says when it dies of this."""
    command = [sys.executable, "-X", "faulthandler", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_the_traceback_of_an_unhandled_exception_is_found_between_lines_of_the_log() -> None:
    said = died("def boom():\n    raise ValueError('no')\nboom()")
    log = "\n".join([logged("web.started"), said.strip(), logged("web.stopped")])
    assert words.traceback_of(log) == said.strip()
    assert words.traceback_of(log).endswith("ValueError: no")


def test_the_dump_of_a_hard_crash_is_found_to_its_end() -> None:
    said = died("import faulthandler\ndef inner():\n    faulthandler._sigsegv()\ninner()")
    found = words.traceback_of("\n".join([PLAIN, logged("x"), said]))
    assert found.splitlines()[0] == "Fatal Python error: Segmentation fault"
    assert found == said.strip()
    assert "in inner" in found


def test_a_traceback_inside_a_line_of_json_is_found_and_the_last_one_wins() -> None:
    inner = PLAIN.replace("ValueError: no", "KeyError: 'late'")
    log = "\n".join([PLAIN, logged("task.failed", exception=inner), logged("later")])
    assert words.traceback_of(log) == inner
    assert words.traceback_of(f"{log}\n{PLAIN}") == PLAIN


def test_exceptions_that_caused_one_another_are_one_traceback() -> None:
    said = died("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('second') from error")
    assert words.traceback_of(f"{logged('a')}\n{said}") == said.strip()
    assert "ZeroDivisionError" in said


@pytest.mark.parametrize("log", ["", "nothing to see", logged("x", exception=""), '{"cut off'])
def test_without_a_traceback_there_is_none(log: str) -> None:
    assert words.traceback_of(log) == ""


def test_a_long_log_begins_with_a_whole_line_and_holds_what_a_database_takes() -> None:
    said = words.readable(b"".join(b"line %d \xff\x00\n" % number for number in range(5000)))
    assert len(said.encode()) <= 2 * words.LOG_BYTES
    assert said.splitlines()[0].startswith("line ")
    assert said.endswith("line 4999 \ufffd\n")


def test_rows_that_the_database_quotes_are_left_out() -> None:
    text = "psycopg2.IntegrityError: null value\nDETAIL:  Failing row contains (1, canary).\nCONTEXT:  here\n"
    assert words.readable(text.encode()) == "psycopg2.IntegrityError: null value\nCONTEXT:  here\n"


SECRETS = {
    "DATABASE_URL": "postgres://app:pg%2Fcanary@db:5432/events?sslpassword=ssl-canary&sslmode=require",
    "CELERY_BROKER_URL": "sentinel://:first-canary@a:1;sentinel://:second-canary@b:2",
    "SECRETS_KEYS": "key-canary-one,key-canary-two",
    "METRICS_TOKEN": "metrics-canary",
    "AWS_SECRET_ACCESS_KEY": "foreign-canary",
    "FLOWER_BASIC_AUTH": "admin:flower-canary",
    "INBOX_URL": "https://user:inbox-canary@web.example/deliver/0123456789path-canary0",
}
WORDS = (
    *("pg/canary", "pg%2Fcanary", "ssl-canary", "first-canary", "second-canary", "key-canary-one", "key-canary-two"),
    *("metrics-canary", "foreign-canary", "flower-canary", "inbox-canary", "0123456789path-canary0"),
)


def test_secrets_of_the_environment_are_masked_wherever_they_stand() -> None:
    mask = own_secrets.masker_of(SECRETS | {"WEB_PORT": "8080", "LOG_LEVEL": "WARNING"})
    for word in WORDS:
        assert "canary" not in mask(f"could not log in with {word}, again"), word
    assert mask("WARNING on port 8080") == "WARNING on port 8080"


def test_the_folder_that_a_shell_names_stays_in_tracebacks() -> None:
    mask = own_secrets.masker_of({"PWD": "/srv/rudderproj", "OLDPWD": "/home/rudder", "DB_PWD": "/srv/rudderproj-pw"})
    assert mask('File "/srv/rudderproj/manage.py", /home/rudder') == 'File "/srv/rudderproj/manage.py", /home/rudder'
    assert mask("as /srv/rudderproj-pw") == f"as {MASK}"


def test_settings_are_told_without_secrets_and_only_those_that_are_set() -> None:
    told = environment(SECRETS | {"WEB_PORT": "8080", "HOME": "/root"})
    assert told["settings"] == {
        "DATABASE_URL": f"postgres://{MASK}@db:5432/events",
        "CELERY_BROKER_URL": f"sentinel://{MASK}@a:1;sentinel://{MASK}@b:2",
        "SECRETS_KEYS": MASK,
        "METRICS_TOKEN": MASK,
        "WEB_PORT": "8080",
        "INBOX_URL": f"https://{MASK}@web.example/deliver/{MASK}",
    }
    assert {"rudderproj", "python", "celery", "django", "psycopg2-binary"} <= set(told["versions"])
    assert told["memory"]["total"] > 0
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize("url", ["postgres://u:p/canary@h/d", "postgres://u:p?canary@h/d", "postgres://u:p@canary@h/d"])
def test_a_password_that_was_not_escaped_is_not_told_either(url: str) -> None:
    assert "canary" not in own_secrets.shown("DATABASE_URL", url)


def test_writing_a_report_loads_neither_django_nor_an_app() -> None:
    program = (
        "import sys; from rudderproj.guard import report, words; report.environment(); words.readable(b'x')\n"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('django', 'celery', 'structlog', 'alerts', 'ingest', 'destinations')])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
