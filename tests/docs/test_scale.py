"""The sums of the page on scale: each `term = result`, and each row of its tables with a term and its result."""

import math
import re

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/scale.md").read_text()
UNITS = {"µs": 1e-6, "%": 1e-2, "MB/s": 1e6, "GB/s": 1e9, "TB": 1e12, "bytes": 1, "s": 1}
NUMBER = r"\d[\d,]*(?:\.\d+)?"
QUANTITY = rf"\(?{NUMBER}(?: (?:{'|'.join(map(re.escape, UNITS))})(?![\w/]))?\)?"
SUM = re.compile(rf"({QUANTITY}(?: [×/+] {QUANTITY})+) (=|\|) ({NUMBER})(?: ([\w/µ]+))?")
LEAST = 41  # fewer would mean that the pattern passes over some


def value(term: str) -> float:
    def number(found: re.Match[str]) -> str:
        return f"({found[1].replace(',', '')} * {UNITS.get(found[2], 1)})"

    units = "|".join(map(re.escape, UNITS))
    plain = re.sub(rf"({NUMBER})(?: ({units})(?![\w/]))?", number, term).replace("×", "*")
    assert re.fullmatch(r"[\d.e*/+() -]+", plain), term
    return float(eval(plain))


def is_right(term: str, sign: str, stated: str, unit: str) -> bool:
    """To the last digit stated that is no zero at its end; whole cores or shards of a table are rounded up."""
    result = value(term) / UNITS.get(unit, 1)
    whole, _, decimals = stated.replace(",", "").partition(".")
    digits = len(decimals) if decimals else len(whole.rstrip("0")) - len(whole)
    return round(result, digits) == float(f"{whole}.{decimals}") or (
        sign == "|" and not decimals and result < 100 and math.ceil(round(result, 6)) == int(whole)
    )


def test_the_sums_add_up() -> None:
    sums = SUM.findall(PAGE)
    assert len(sums) >= LEAST
    assert [found for found in sums if not is_right(*found)] == []


def test_every_row_with_arithmetic_is_looked_at() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and re.search(r"\d [×/] \d", line)]
    assert [line for line in rows if not SUM.search(line)] == []


def test_what_a_log_sends_is_what_the_chart_has_it_send() -> None:
    """To two standbys and an archive, at the bytes that the sizing names for a full day."""
    sizing = (ROOT / "docs/howto/deploy.md").read_text()
    (full,) = re.findall(r"in a day that has just begun, ([\d,]+) in a full one", sizing)
    multi = (ROOT / "deploy/helm/rudderproj/values-multi-az.yaml").read_text()
    (instances,) = re.findall(r"^  instances: (\d+)$", multi, re.MULTILINE)
    sent = int(full.replace(",", "")) * int(instances)  # each standby, and the archive in the primary's own place
    assert f"{instances} × {full} bytes = {sent:,} bytes" in PAGE
    assert f"1 GB/s / {sent:,} bytes" in PAGE
    assert f"100 MB/s / {sent:,} bytes" in PAGE
    assert f"20,000 × {sent:,} bytes = " in PAGE
