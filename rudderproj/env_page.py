"""The reference page of all settings, made from rudderproj.env: `python -m rudderproj.env_page`.

Must never import Django, and never show a value that is set.
"""

from rudderproj.env import VARIABLES, Variable

HEAD = """\
# Settings

Every setting is an environment variable. A value that cannot be used ends the process at its start, with one line that
names the variable. `make run` fills in what it needs (addresses of the embedded services, secrets, open access for this
machine alone); what is set in the environment always wins.

<!-- Made by `python -m rudderproj.env_page > docs/reference/settings.md`; a test compares. -->

| variable | default | meaning |
| --- | --- | --- |
"""


def page() -> str:
    """The whole page as Markdown."""
    return HEAD + "".join(_row(variable) for variable in VARIABLES)


def _row(variable: Variable) -> str:
    default = f"`{variable.default}`" if variable.default else ""
    meaning = variable.meaning + (" (secret)" if variable.secret else "")
    return f"| `{variable.name}` | {default} | {_cell(meaning)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
