"""Commands that the pages give for a cluster: the same values in each, time for the migration, and their order."""

import re

from tests.deploy.chart import PRESETS, of_kind
from tests.docs.pages import ALL, ROOT

OURS = "deploy/helm/rudderproj"


def code(text: str) -> str:
    """A page with each command in one line."""
    return re.sub(r"\s*\\\n\s*", " ", text)


def installs() -> list[tuple[str, str]]:
    """(page, command) of everything that gives the chart to helm."""
    pattern = re.compile(rf"helm (?:install|upgrade) [^`\n]*{OURS} [^`\n]*")
    return [(page.name, found) for page in ALL for found in pattern.findall(code(page.text))]


def seconds(option: str) -> int:
    found = re.fullmatch(r"(\d+)m", option)
    assert found, option
    return int(found[1]) * 60


def test_every_command_takes_the_same_values_and_waits_for_the_migration() -> None:
    pages = {page for page, _ in installs()}
    assert pages >= {
        "docs/howto/deploy.md",
        "docs/howto/restore.md",
        "docs/runbooks/disk-filling.md",
        "docs/runbooks/upgrade.md",
    }
    (job,) = of_kind("multi", "Job")
    for page, command in installs():
        assert re.findall(r"(?:-f|--values) (\S+)", command) == ["my-values.yaml"], page
        assert "--set" not in command, page
        (timeout,) = re.findall(r"--timeout (\S+)", command)
        assert seconds(timeout) > job["spec"]["activeDeadlineSeconds"], page
        assert "--namespace events" in command, page


def test_nothing_is_told_to_helm_that_the_next_command_would_forget() -> None:
    for page in ALL:
        for command in re.findall(r"--set [\w.]+", code(page.text)):
            assert command.startswith("--set prometheus."), page.name  # another's chart


def test_a_restore_ends_with_processes_that_accept() -> None:
    """An HPA does not act on 0, helm leaves the number to it, and rebase needs a pod to run in."""
    page = code((ROOT / "docs/howto/restore.md").read_text()).partition("\n## In Kubernetes\n")[2]
    steps = [line.strip() for line in page.splitlines() if line.startswith("       ")]

    def at(pattern: str) -> int:
        (found,) = (number for number, step in enumerate(steps) if re.search(pattern, step))
        return found

    order = [
        at(r"delete scaledobject rudderproj-forward"),
        at(r"scale deployment rudderproj-web .*--replicas=0"),
        at(r"delete cluster"),
        at(r"helm upgrade .*--force-conflicts --no-hooks"),
        at(r"wait --for=condition=Ready cluster/"),
        at(r"exec -i rudderproj-db-1 -c postgres -- pg_restore .*-d rudderproj < events.dump$"),
        at(r"scale deployment rudderproj-admin --replicas=1"),
        at(r"exec deployment/rudderproj-admin -- python manage.py rebase"),
        at(r"helm upgrade .*--force-conflicts$"),
        at(r"rollout restart deployment$"),
        at(r"scale deployment rudderproj-web rudderproj-forward --replicas=[1-9]"),
    ]
    assert order == sorted(order)
    stopped = set(re.findall(r"rudderproj-\w+", steps[order[1]]))
    deployed = {one["metadata"]["name"] for one in of_kind("multi", "Deployment")}
    assert stopped == deployed - {"rudderproj-away", "rudderproj-valkey"}


def test_a_dump_is_made_and_restored_as_the_drill_does() -> None:
    """That was seen to work; a cluster's own database belongs to another than who restores it there."""
    page = (ROOT / "docs/howto/restore.md").read_text()
    drill = (ROOT / "drills/faults/restoring.py").read_text()
    assert '"pg_dump", "-Fc", "-f",' in drill
    assert '"pg_restore", "-d", fresh.url(), "--exit-on-error", str(dump)' in drill
    commands = [found for found in re.findall(r"pg_(dump|restore) ([^`\n>]*)", page) if "-d" in found[1]]
    assert sorted(tool for tool, _ in commands) == ["dump", "dump", "restore", "restore"]  # by hand, in Kubernetes
    for tool, options in commands:
        assert ("-Fc" if tool == "dump" else "--exit-on-error") in options
        assert ("--no-owner --role=rudderproj" in options) == (tool == "restore" and "-d rudderproj" in options)
    (cluster,) = of_kind("multi", "Cluster")
    made = cluster["spec"]["bootstrap"]["initdb"]
    assert (made["database"], made["owner"]) == ("rudderproj", "rudderproj")


def test_a_drained_node_lets_go_of_pods_with_volumes_of_their_own() -> None:
    drains = [found for page in ALL for found in re.findall(r"kubectl drain [^`\n]*", page.text)]
    assert len(drains) >= 2
    assert all("--ignore-daemonsets --delete-emptydir-data" in one for one in drains)


def test_what_the_chart_needs_is_named() -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text()
    needed = page.partition("What must be there:")[2].partition("\n\n")[0]
    for word in ("Metrics Server", "CloudNativePG", "Prometheus", "KEDA", "Ingress"):
        assert word in needed, word
    assert "retired" in page.partition("## The Ingress controller")[2].partition("\n## ")[0]


def test_the_sums_of_the_sizing_add_up() -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## Sizing\n")[2].partition("\n## ")[0]
    sums = re.findall(r"(\d[\d,./×+ ]*[×+/] [\d,]+) = (\d[\d,.]*)( GB)?", page)
    assert len(sums) >= 8
    for term, stated, unit in sums:
        term = term.replace(",", "").replace("×", "*")
        assert re.fullmatch(r"[\d./*+ ]+", term)
        decimals = len(stated.partition(".")[2])
        in_bytes = unit and "86400" in term
        assert round(eval(term) / (1e9 if in_bytes else 1), decimals) == float(stated.replace(",", "")), term


def test_the_sizing_names_the_volume_of_the_presets_and_what_the_soak_measured() -> None:
    sizing = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## Sizing\n")[2]
    for preset in PRESETS:
        (cluster,) = of_kind(preset, "Cluster")
        assert f"`postgres.storage.size`: {cluster['spec']['storage']['size']} in the presets" in sizing
    assert "792 bytes for each event of 513" in (ROOT / "docs/reliability.md").read_text()
    assert "792 for one of 513" in sizing.replace("\n", " ")
