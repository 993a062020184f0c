"""What every long-running process does first: refuse settings it must not run with, name those without effect.

Must never be asked by a command that ends by itself: makemigrations needs neither keys nor a database.
"""

import functools
import os
import sys

import structlog
from django.conf import settings

from rudderproj.env import VARIABLES
from rudderproj.env_rules import doubts, serving_problems, suspicious

log = structlog.get_logger(__name__)


@functools.cache
def require_settings() -> None:
    """End the process with exit code 2 and a line for each problem, or return; warns once."""
    problems = serving_problems(settings.ENV)
    if problems:
        sys.stderr.writelines(f"rudderproj: {problem}\n" for problem in problems)
        raise SystemExit(2)
    for line in suspicious(os.environ, [variable.name for variable in VARIABLES]):
        log.warning("setting.ignored", reason=line)
    if settings.ENV["RSERVER_MODE"]:
        log.warning("mode.forced", mode=settings.ENV["RSERVER_MODE"], by="RSERVER_MODE")
    for line in doubts(settings.ENV):
        log.warning("setting.doubtful", reason=line)
