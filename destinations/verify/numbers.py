"""Percentiles, as every part of the results has them. Pure."""


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p95, p99 and max, nearest rank."""
    ordered = sorted(values) or [0.0]
    ranks = {f"p{percent}": ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] for percent in (50, 95, 99)}
    return {name: round(value, 2) for name, value in (ranks | {"max": ordered[-1]}).items()}
