"""What the example of a cost says is asked for is what the chart asks for, at the prices of the other page."""

import re

from drills.kube.seen import millicores
from tests.deploy.chart import of_kind, part, pods
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/howto/deploy.md").read_text().partition("\n**Cost**")[2].partition("\n## ")[0]


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
    assert "With 0.04 for a core-hour" in scale
    assert "at 0.10 for a GB a month" in scale
    assert "× 0.04 × 730 = " in PAGE
    assert "prices that are **assumed**" in PAGE


def test_what_a_month_costs_is_the_sum_of_its_rows() -> None:
    """Each row's arithmetic is looked at beside the sizing's."""
    rows = re.findall(r" = ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    assert all(round(float(result)) == float(shown) or result == shown for result, shown in rows)
    assert sum(float(result) for result, _ in rows[:-1]) == float(rows[-1][0])
