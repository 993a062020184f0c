"""Commands of the runbooks can be typed as they stand: each says where it runs."""

import re

from tests.deploy.chart import of_kind
from tests.docs.pages import ROOT

BOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))


def commands(text: str) -> list[str]:
    """What stands as code, of a line or of a block."""
    return [*re.findall(r"`([^`]+)`", text), *(line.strip() for line in re.findall(r"^ {4,}\S.*$", text, re.MULTILINE))]


def test_sql_is_given_to_the_primary() -> None:
    index = (ROOT / "docs/runbooks/README.md").read_text()
    shell = dict(re.findall(r"^    (\w+)\(\) \{ (.+); \}$", index, re.MULTILINE))
    assert set(shell) == {"manage", "primary", "sql"}
    assert shell["sql"] == 'kubectl -n events exec "$(primary)" -c postgres -- psql -d rudderproj -c "$1"'
    assert "cnpg.io/instanceRole=primary" in shell["primary"]
    found = [one for book in BOOKS if book.stem != "README" for one in commands(book.read_text()) if "SELECT" in one]
    assert len(found) == 4
    for one in found:
        assert re.fullmatch(r'sql "SELECT [^"\n]+"', one), one


def test_programs_of_a_pod_are_run_in_one() -> None:
    """Nobody has them where kubectl is."""
    for book in BOOKS:
        for one in commands(book.read_text()):
            if re.search(r"\b(valkey-cli|psql|pg_dump|pg_restore) ", one):
                assert re.match(r"(sql\(\) \{ )?kubectl -n events exec .* -- ", one), (book.name, one)


def test_an_upgrade_that_helm_cannot_do_alone_is_told_of() -> None:
    upgrade = (ROOT / "docs/howto/deploy.md").read_text().partition("\n## Upgrade\n")[2].partition("\n## ")[0]
    for word in ("`web.autoscaling.enabled`", "`forward.autoscaling.kind`", "one pod serves", "`--no-hooks`"):
        assert word in upgrade, word


def test_a_node_is_taken_away_only_when_it_is_off_for_certain() -> None:
    """Its database would go on beside the next primary."""
    for name in ("node-lost", "zone-lost"):
        todo, _, never = (ROOT / f"docs/runbooks/{name}.md").read_text().partition("\n## What not to do\n")
        (step,) = (one for one in re.split(r"\n(?=\d\. )", todo) if "`kubectl delete node NODE`" in one)
        assert re.search(r"\boff\b.*`kubectl delete node NODE`", step, re.DOTALL), name
        assert re.search(r"\btaint\b", step), name
        assert "a database that goes on" in never, name
    assert "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`" in (BOOKS[0].parent / "node-lost.md").read_text()


def test_a_database_that_is_away_is_changed_before_a_migration_asks_for_it() -> None:
    """The hook comes before the Cluster, whose volume would never grow; its operator touches no full one."""
    (job,) = of_kind("multi", "Job")
    assert "pre-upgrade" in job["metadata"]["annotations"]["helm.sh/hook"]
    full = (ROOT / "docs/runbooks/disk-filling.md").read_text().partition("**When it is full**")[2]
    upgrade, sizes = (full.find(one) for one in (" --timeout 35m --no-hooks\n", "kubectl -n events get pvc -o name"))
    assert -1 < upgrade < sizes
    (size,) = re.findall(r"""patch -p '\{"spec": \{"resources": \{"requests": \{"storage": "(\w+)"\}\}\}\}'""", full)
    assert f"`postgres.storage.size: {size}` in your values" in (ROOT / "docs/runbooks/disk-filling.md").read_text()
    away = (ROOT / "docs/runbooks/database-failover.md").read_text()
    assert re.search(r"`helm upgrade rudderproj [^`\n]* --no-hooks`", away)
