"""Text to data: YAML (JSON is YAML too) with `${NAME}` filled in from the environment.

Owns what YAML leaves open: duplicate keys are refused, `${NAME}` works in every text and `$${` stands for `${`.
Must never put a value into a message: it may be a secret.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from destinations.apply.wanted import InputError

_VARIABLE = re.compile(r"\$?\$\{([^}]*)\}")


class Filled(str):
    """A text that came from the environment; where a number or a switch is expected, it is read as one."""

    __slots__ = ()


def load(text: str, environ: Mapping[str, str]) -> Any:
    """The data of a file. Raises InputError for bad YAML, duplicate keys and variables that are not set."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        problems = list(_duplicates("", node)) if node else []
        data = yaml.safe_load(text)
    except RecursionError:
        raise InputError(["the file is nested too deeply"]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise InputError([f"{where}{error.problem or error.context or 'not YAML'}"]) from None
    except (yaml.YAMLError, ValueError):
        raise InputError(["not YAML"]) from None
    data = _filled("", data, environ, problems)
    if problems:
        raise InputError(problems)
    return data


def read_filled(value: Any) -> Any:
    """The number or switch that a filled-in text stands for; any other value as it is."""
    try:
        return yaml.safe_load(value) if isinstance(value, Filled) else value
    except yaml.YAMLError:
        return value


def at(path: str, key: object) -> str:
    """The path of a key, or of an index, below a path."""
    if isinstance(key, int) and not isinstance(key, bool):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def _filled(path: str, value: Any, environ: Mapping[str, str], problems: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(at(path, str(key)), inner, environ, problems) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(at(path, index), inner, environ, problems) for index, inner in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def replace(match: re.Match[str]) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        if match[1] not in environ:
            problems.append(f"{path}: the environment variable {match[1]!r} is not set")
        return environ.get(match[1], "")

    return Filled(_VARIABLE.sub(replace, value))


def _duplicates(path: str, node: yaml.Node) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                yield f"{at(path, key.value)}: named twice"
            seen.add(str(key.value))
            yield from _duplicates(at(path, str(key.value)), value)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _duplicates(at(path, index), value)
