"""Scraping as Prometheus does."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e import http

Values = Mapping[tuple[str, frozenset[str]], float]


def parsed(text: str) -> Values:
    """Values by (name, values of the labels)."""
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(port: int, **headers: str) -> Values:
    """What is told at a port."""
    answer = http.ask(port, "GET", "/metrics", headers=headers)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return parsed(answer.body)


def value(found: Values, name: str, *labels: str) -> float:
    """One of them; 0 when nothing was counted yet."""
    return found.get((name, frozenset(labels)), 0.0)
