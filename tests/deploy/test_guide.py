"""Commands that the pages give for a cluster: the same values in each, time for the migration, and their order."""

import re
import textwrap

import pytest
import yaml

from destinations.apply import run
from tests.deploy.chart import PRESETS, helm, of_kind
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


def test_the_first_installation_is_told_from_its_certificate_to_its_first_event() -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## Kubernetes\n")[2].partition("\n## ")[0]
    (ingress,) = of_kind("multi", "Ingress")
    (tls,) = ingress["spec"]["tls"]
    steps = [
        f"create secret tls {tls['secretName']} ",
        f"helm upgrade --install rudderproj {OURS}",
        "python manage.py createsuperuser",
        "python manage.py apply - < pipeline.yaml",
        f"curl -i https://{tls['hosts'][0]}/ready",
        "/v1/track",
    ]
    places = [page.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


def test_the_file_of_the_first_event_is_one() -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text()
    (given,) = re.findall(r"^    cat > pipeline.yaml <<END\n(.*?)^    END$", page, re.DOTALL | re.MULTILINE)
    wanted = run.read(textwrap.dedent(given).replace("$(openssl rand -hex 16)", "1234567890123456"), {})
    assert [source.write_key for source in wanted.sources] == ["1234567890123456"]
    assert [one.name for one in wanted.destinations] == ["hook"]


def test_backups_name_a_store_and_a_secret_that_the_page_makes() -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## Backups\n")[2].partition("\n## ")[0]
    (store,) = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    assert (store["apiVersion"], store["kind"]) == ("barmancloud.cnpg.io/v1", "ObjectStore")
    assert store["metadata"]["namespace"] == "events"
    (backup,) = re.findall(r"`postgres\.backup: (\{.*?\})`", page)
    assert yaml.safe_load(backup)["objectStore"] == store["metadata"]["name"]
    keys = list(store["spec"]["configuration"]["s3Credentials"].values())
    assert keys == [{"name": "object-store", "key": key} for key in ("ACCESS_KEY_ID", "ACCESS_SECRET_KEY")]
    for key in keys:
        assert f"--from-literal={key['key']}=" in code(page)
        assert f"create secret generic {key['name']} " in code(page)


@pytest.mark.parametrize("store", ["", "s3"])
def test_who_installed_it_is_told_what_comes_next(store: str) -> None:
    values = str(ROOT / OURS / "values-multi-az.yaml")
    options = ("--set", f"postgres.backup.objectStore={store}")
    done = helm("install", "events", str(ROOT / OURS), "-n", "shop", "-f", values, "--dry-run=client", *options)
    notes = done.stdout.partition("\nNOTES:\n")[2]
    for step in (
        "kubectl -n shop get pods",
        "kubectl -n shop exec -it deployment/events-rudderproj-admin -- python manage.py createsuperuser",
        "kubectl -n shop port-forward service/events-rudderproj-admin 8080",
        "https://events.example.com/v1/track",
    ):
        assert step in notes, done.stderr
    assert ("There are no backups yet" in notes) == (not store)
    for path in re.findall(r"docs/\S+\.md", notes):
        assert (ROOT / path).exists()


def test_nothing_is_told_to_helm_that_the_next_command_would_forget() -> None:
    for page in ALL:
        assert not re.search(r"helm [^\n`]*--set [\w.]", code(page.text)), page.name


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
        at(r"get pvc -l cnpg.io/cluster=rudderproj-db .*volumeName"),
        at(r"^xargs -n 1 kubectl patch pv .*Retain"),
        at(r"delete cluster"),
        at(r"helm upgrade .*--force-conflicts --no-hooks"),
        at(r"wait --for=condition=Ready cluster/"),
        at(r'exec -i "\$\(primary\)" -c postgres -- pg_restore .*-d rudderproj < events.dump$'),
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
    assert "rudderproj-db-1" not in page  # which may be a standby, or gone


def test_a_new_database_archives_where_no_other_has() -> None:
    """CloudNativePG archives nothing into a folder that is not empty, and calls the cluster healthy."""
    restore = (ROOT / "docs/howto/restore.md").read_text().partition("\n## In Kubernetes\n")[2]
    from_archive, _, from_dump = restore.partition("**from a dump**")
    (line,) = re.findall(r"^ +backup: (\{.*\})$", from_archive, re.MULTILINE)
    (old,) = re.findall(r"^ +recover: (\{.*\})$", from_archive, re.MULTILINE)
    new, first = (yaml.safe_load(one)["serverName"] for one in (line, old))
    assert first == yaml.safe_load((ROOT / OURS / "values.yaml").read_text())["postgres"]["backup"]["serverName"]
    assert new != first
    assert f"Another `backup.serverName` here too, `{new}`" in from_dump
    assert "FROM pg_stat_archiver" in from_dump.partition("\n4. ")[2]
    away = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## Taking it away\n")[2].partition("\n## ")[0]
    assert "another `postgres.backup.serverName`" in away.partition("delete cluster")[2]


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
    for page in ALL:
        for said in page.text.split("kubectl drain NODE")[1:]:
            assert re.search(r"database's primary[^#]* 503 ", said.partition("\n## ")[0]), page.name


def test_what_the_chart_needs_is_named() -> None:
    page = (ROOT / "docs/howto/deploy.md").read_text()
    needed = page.partition("What must be there:")[2].partition("\n\n")[0]
    for word in (
        "Metrics Server",
        "CloudNativePG",
        "Prometheus",
        "KEDA",
        "Ingress",
        "WaitForFirstConsumer",
        "node group for each",
    ):
        assert word in needed, word
    assert "retired" in page.partition("## The Ingress controller")[2].partition("\n## ")[0]
    above = page.partition("\n\n    helm upgrade --install ingress-nginx ")[0].rpartition("\n\n")[2]
    assert "retired in March 2026" in above  # who copies the command has read it
    assert "Traefik" in above


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


def test_how_long_a_zone_may_be_away_is_what_the_charts_wal_lasts_for() -> None:
    """At the bytes an event that the sizing names for a full day; PostgreSQL's GB are GiB."""
    sizing = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## Sizing\n")[2].partition("\n## ")[0]
    (full,) = re.findall(r"bytes an event in a day that has just begun, ([\d,]+) in a full one", sizing)
    storage = yaml.safe_load((ROOT / OURS / "values.yaml").read_text())["postgres"]["storage"]
    kept = int(storage["walForStandby"].removesuffix("GB"))
    for preset in PRESETS:
        values = yaml.safe_load((ROOT / OURS / f"values-{preset}-az.yaml").read_text())
        assert "walForStandby" not in values["postgres"]["storage"]
    hours = kept * 2**30 / int(full.replace(",", "")) / 3600
    page = " ".join((ROOT / "docs/runbooks/zone-lost.md").read_text().split())
    assert f"`postgres.storage.walForStandby`: {kept} GB of PostgreSQL's, which are GiB" in page
    assert f"At the {full} bytes of WAL an event of a full day" in page
    assert f"that is {hours / 100:.0f} hours at 100 events a second, {hours / 1000:.1f} hours at 1,000." in page
