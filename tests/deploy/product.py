"""What the product itself says of its processes and settings, for comparison with what deploys them."""

import re
import sys
from pathlib import Path

from rudderproj import env
from rudderproj.stack.environment import Settings
from rudderproj.stack.programs import application
from rudderproj.stack.supervise import Program

DATA_DIR = Path("/data")  # the image's
AUTOSCALE = "8,1"
VARIABLES = {variable.name: variable for variable in env.VARIABLES}
# What others read: Flower, libpq and Python.
OTHERS = {"FLOWER_ADDRESS", "FLOWER_BASIC_AUTH", "PGSSLMODE"}
# An image of one version, neither `latest` nor a whole series.
EXACT_TAG = re.compile(r"[\w./-]+:\d+\.\d+(\.\d+)?(-[\w.]+)*")


def programs(autoscale: str = AUTOSCALE) -> dict[str, Program]:
    """Every process by its name."""
    chosen = Settings("0.0.0.0", 8080, 5555, "admin", autoscale, str(DATA_DIR))
    return {program.name: program for program in application(chosen, DATA_DIR)}


def command(name: str, autoscale: str = AUTOSCALE) -> list[str]:
    """The command line of a process in the image."""
    return ["python" if word == sys.executable else word for word in programs(autoscale)[name].command]
