"""Every command, file, module, variable and link that a page names exists."""

import functools
import importlib.util
import pkgutil
import re
import shlex
from collections.abc import Callable, Iterable

import pytest
from django.core.management import get_commands, load_command_class

from rudderproj import env, env_page
from tests.docs.pages import ALL, ROOT, Page

PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")}
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()} - {".data", ".venv"}  # those come and go
PATH = re.compile(r"(?:[\w.-]+/)+[\w.-]*")
# Runbooks say `manage` for `manage.py` in a pod.
COMMAND = re.compile(r"(?:manage\.py|^manage) ([a-z_]+(?:-[a-z]+)*)(.*)")


@functools.cache
def sources() -> str:
    """All our code, and what starts it."""
    files = [path for package in (*PACKAGES, "tests", "bench") for path in (ROOT / package).rglob("*.py")]
    return "\n".join(path.read_text() for path in (*files, ROOT / "manage.py", ROOT / "Makefile"))


@functools.cache
def names() -> frozenset[str]:
    """Everything in capitals that our code mentions."""
    return frozenset(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", sources()))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def missing_make_targets(page: Page) -> Iterable[str]:
    known = make_targets()
    return (
        target for code in page.code for target in re.findall(r"(?:^|[&;] )make ([a-z-]+)", code) if target not in known
    )


def missing_commands(page: Page) -> Iterable[str]:
    known = get_commands()
    for code in page.code:
        for name, rest in COMMAND.findall(code):
            if name not in known:
                yield f"manage.py {name}"
            else:
                yield from (f"{name} {option}" for option in _options(rest) if option not in _known_options(name))


def _options(rest: str) -> list[str]:
    words = shlex.split(re.split(r"\s[#|>]", rest)[0].replace("[", " ").replace("]", " "))
    return [word.partition("=")[0] for word in words if word.startswith("--")]


def _known_options(name: str) -> set[str]:
    app = get_commands()[name]
    command = app if not isinstance(app, str) else load_command_class(app, name)
    parser = command.create_parser("manage.py", name)
    nested = [sub for action in parser._actions if isinstance(action.choices, dict) for sub in action.choices.values()]
    return {option for one in (parser, *nested) for action in one._actions for option in action.option_strings}


def missing_files(page: Page) -> Iterable[str]:
    for code in page.code:
        for path in PATH.findall(code) if "://" not in code and "<" not in code and "*" not in code else ():
            if path.partition("/")[0] in FOLDERS and not code.startswith("/") and not (ROOT / path).exists():
                yield path


def missing_modules(page: Page) -> Iterable[str]:
    for code in page.code:
        if re.fullmatch(r"[a-z_]+(\.\w+)+", code) and code.partition(".")[0] in PACKAGES and not _resolves(code):
            yield code
        for module in re.findall(r"python -m ([\w.]+)", code):
            if importlib.util.find_spec(module) is None:
                yield module


def _resolves(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        # A column of a table, or the name of a task or a log event.
        return f'"{name}"' in sources()
    return True


def missing_variables(page: Page) -> Iterable[str]:
    own = set(re.findall(r"\$\{(\w+)\}", page.text))  # a reader's variables in a file to be applied
    for span in page.code:
        for name in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", span):
            if name not in own and name not in names():
                yield name


def dead_links(page: Page) -> Iterable[str]:
    pages = {known.path: known for known in ALL}
    for path, anchor in page.links:
        if not path.exists() or (anchor and path in pages and anchor not in pages[path].anchors):
            yield f"{path.relative_to(ROOT)}#{anchor}"


@pytest.mark.parametrize(
    "missing",
    [missing_make_targets, missing_commands, missing_files, missing_modules, missing_variables, dead_links],
    ids=lambda check: check.__name__,
)
@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Page, missing: Callable[[Page], Iterable[str]]) -> None:
    assert list(missing(page)) == []


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_a_page_is_not_two_versions_of_itself(page: Page) -> None:
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", page.text, re.MULTILINE) == []


def test_the_settings_page_is_what_the_code_reads() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text()

    assert text == env_page.page(), "make it anew: python -m rudderproj.env_page > docs/reference/settings.md"


def test_the_settings_page_names_every_variable() -> None:
    for variable in env.VARIABLES:
        assert f"| `{variable.name}` |" in env_page.page()
