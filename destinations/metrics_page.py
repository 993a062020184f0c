"""The reference page of all metrics, made from their definitions: `python -m destinations.metrics_page`."""

import os

import django

from rudderproj.metrics import Definition, definitions

HEAD = """\
# Metrics

Where they are scraped, and what to watch: [monitoring](../howto/monitor.md). *Told by* says who has a metric: `web` and
`worker` processes tell what they counted themselves since they started, so add those up (`sum`); `database` is told by
every web process alike, so take one (`max`). All processes also tell the `process_*` metrics of prometheus_client and
`rudderproj_build_info`. A histogram has the series `_bucket`, `_sum` and `_count`.

<!-- Made by `python -m destinations.metrics_page > docs/reference/metrics.md`; a test compares. -->

| metric | kind | labels | told by | meaning |
| --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page as Markdown."""
    return HEAD + "".join(map(_row, definitions()))


def _row(definition: Definition) -> str:
    labels = ", ".join(f"`{label}`" for label in definition.labels)
    return f"| `{definition.name}` | {definition.kind} | {labels} | {definition.told_by} | {definition.help} |\n"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")
    django.setup()
    print(page(), end="")  # noqa: T201
