"""What the example of a cost says is asked for is what the chart asks for, at the prices of the other page."""

import math
import re

import yaml

from drills.kube.seen import millicores
from tests.deploy.chart import of_kind, part, pods
from tests.docs.pages import ROOT

DEPLOY = (ROOT / "docs/howto/deploy.md").read_text()
PAGE = DEPLOY.partition("\n**Cost**")[2].partition("\n## ")[0]


def pods_of() -> dict[str, tuple[int, float]]:
    """How many pods of each role there are at least, and the cores that each asks for."""
    count = {part(one): one["spec"].get("replicas") for one in of_kind("multi", "Deployment")}
    count |= {part(one): one["spec"]["minReplicas"] for one in of_kind("multi", "HorizontalPodAutoscaler")}
    count |= {part(one): one["spec"]["minReplicaCount"] for one in of_kind("multi", "ScaledObject")}
    containers = {name: pod["containers"] for name, pod in pods("multi").items() if name in count}
    asked = {
        name: sum(millicores(one["resources"]["requests"]["cpu"]) for one in many) for name, many in containers.items()
    }
    (cluster,) = of_kind("multi", "Cluster")
    database = (cluster["spec"]["instances"], millicores(cluster["spec"]["resources"]["requests"]["cpu"]) / 1000)
    return {name: (count[name], asked[name] / 1000) for name in count} | {"db": database}


def test_cores_are_those_that_the_chart_asks_for() -> None:
    found = pods_of()
    ((term, total),) = re.findall(r"instances of the database \| ([\d.×+ ]+) = ([\d.]+) \|", PAGE)
    assert float(total) == round(sum(count * cores for count, cores in found.values()), 2)
    order = ("web", "forward", "admin", "alerts", "beat", "away", "valkey", "db")
    assert set(order) == set(found)
    said = [f"{count} × {cores:g}" if count > 1 else f"{cores:g}" for count, cores in (found[name] for name in order)]
    assert term == " + ".join(said)
    assert f"{total} × " in PAGE.partition(f"= {total}")[2]


def test_volumes_traffic_and_prices_are_those_of_the_chart_and_the_pages() -> None:
    (cluster,) = of_kind("multi", "Cluster")
    size = cluster["spec"]["storage"]["size"].removesuffix("Gi")
    assert f"0.10 × {cluster['spec']['instances']} × {size} = " in PAGE
    (traffic,) = re.findall(r"× 86,400 × 100 = (\d+) GB a day", PAGE)
    assert f"0.01 × {traffic} × 30 = " in PAGE
    scale = " ".join((ROOT / "docs/scale.md").read_text().split())
    for price in ("0.04 for a core-hour", "0.10 for a GB a month", "0.02 for a GB a month of object storage"):
        assert f"at {price}" in scale
        assert f"at {price}" in PAGE
    assert "× 0.04 × 730 = " in PAGE
    assert "prices that are **assumed**" in PAGE


def test_backups_are_those_that_the_page_sets_up() -> None:
    """A copy of the log each week, kept with all WAL since the last one that is older than the store's retention."""
    told = DEPLOY.partition("\n## Backups\n")[2].partition("\n## ")[0]
    (store,) = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", told, re.DOTALL))
    kept = int(store["spec"]["retentionPolicy"].removesuffix("d"))
    (backup,) = re.findall(r"`postgres\.backup: (\{.*?\})`", told)
    assert yaml.safe_load(backup)["schedule"].split()[-3:] == ["*", "*", "0"]  # once a week
    days = kept + 7
    (size,) = re.findall(r"`RETENTION_DAYS` \(30 by default\), [\d.]+ × 30 = (\d+) GB", DEPLOY)
    sums = " ".join(PAGE.split())
    (wal,) = re.findall(r"2,034 × 86,400 × 100 = ([\d.]+) GB a day", sums)
    (stored,) = re.findall(rf" {math.ceil(days / 7)} × {size} \+ {wal} × {days} = ([\d,]+) GB", sums)
    assert f" {kept + 1} × {size} + {wal} × {kept + 1} = " in sums  # one a night
    (row,) = re.findall(r"^\| backups, one copy a week, uncompressed, (.*) \|$", PAGE, re.MULTILINE)
    assert row.startswith(f"at 0.02 for a GB a month of object storage | 0.02 × {stored} = ")
    assert "so an upper bound" in sums


def test_what_a_month_costs_is_the_sum_of_its_rows() -> None:
    """Each row's arithmetic is looked at beside the sizing's."""
    rows = re.findall(r" = ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    assert all(round(float(result)) == float(shown) or result == shown for result, shown in rows)
    assert round(sum(float(result) for result, _ in rows[:-1]), 1) == float(rows[-1][0])
