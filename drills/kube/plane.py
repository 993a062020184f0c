"""A control plane on loopback: etcd, API server, controllers, scheduler, with all defaults that decide anything.

Must never listen where another machine could reach it, nor write a password or a key outside its own folder.
"""

import contextlib
import datetime
import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drills.certificates import Authority
from drills.kube.api import Api
from drills.kube.children import Children
from drills.stack import eventually, free_ports

NAMESPACE = "events"  # that of docs/howto/deploy.md


@dataclass(frozen=True)
class Plane:
    """A running one."""

    programs: Mapping[str, Path]
    folder: Path
    children: Children
    api: Api
    kubeconfig: Path

    def command(self, program: str, *words: str) -> list[str]:
        """helm or kubectl, for this cluster and our namespace."""
        return [str(self.programs[program]), f"--kubeconfig={self.kubeconfig}", f"--namespace={NAMESPACE}", *words]

    def start(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        """The same, begun."""
        return self.children.start(f"{program}-{words[0]}", self.command(program, *words), ends=True)


@contextlib.contextmanager
def running(programs: Mapping[str, Path], folder: Path) -> Iterator[Plane]:
    """One until the end of the block, with nothing in it."""
    authority = Authority(folder)
    key = authority.sign("apiserver", datetime.timedelta(days=1))
    token, (etcd, peer, port) = secrets.token_hex(16), free_ports(3)
    url = f"https://127.0.0.1:{port}"
    _private(folder / "tokens.csv", f"{token},drill,drill,system:masters\n")
    kubeconfig = folder / "kubeconfig"
    _private(kubeconfig, json.dumps(_kubeconfig(url, token, authority.file)))
    api = Api(url, token, authority.file, NAMESPACE)
    with Children(folder) as children:
        children.start("etcd", _etcd(programs, folder, etcd, peer))
        children.start("kube-apiserver", _api_server(programs, folder, etcd, port, key))
        eventually(partial(_answers, children, api), "the API server answering")
        own = ["--leader-elect=false", "--secure-port=0", f"--kubeconfig={kubeconfig}"]
        accounts = [f"--service-account-private-key-file={key}", f"--root-ca-file={authority.file}"]
        manager = str(programs["kube-controller-manager"])
        children.start("kube-controller-manager", [manager, *own, *accounts])
        children.start("kube-scheduler", [str(programs["kube-scheduler"]), *own])
        yield Plane(programs, folder, children, api, kubeconfig)


def _answers(children: Children, api: Api) -> bool:
    children.require_alive()
    return api.is_ready()


def _etcd(programs: Mapping[str, Path], folder: Path, port: int, peer: int) -> list[str]:
    here, between = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return [
        *(str(programs["etcd"]), f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", "--name=drill"),
        *(f"--listen-client-urls={here}", f"--advertise-client-urls={here}"),
        *(f"--listen-peer-urls={between}", f"--initial-advertise-peer-urls={between}"),
        f"--initial-cluster=drill={between}",
    ]


def _api_server(programs: Mapping[str, Path], folder: Path, etcd: int, port: int, key: Path) -> list[str]:
    return [
        *(str(programs["kube-apiserver"]), f"--etcd-servers=http://127.0.0.1:{etcd}"),
        *("--bind-address=127.0.0.1", f"--secure-port={port}", f"--cert-dir={folder / 'certificates'}"),
        "--endpoint-reconciler-type=none",  # nobody asks inside, and loopback is no endpoint
        *(f"--tls-cert-file={key}", f"--tls-private-key-file={key}"),
        *("--authorization-mode=RBAC", f"--token-auth-file={folder / 'tokens.csv'}"),
        *("--service-account-issuer=https://drill", f"--service-account-key-file={key}"),
        *(f"--service-account-signing-key-file={key}", "--service-cluster-ip-range=10.96.0.0/16"),
    ]


def _kubeconfig(url: str, token: str, authority: Path) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "drill", "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": "drill", "user": {"token": token}}],
        "contexts": [{"name": "drill", "context": {"cluster": "drill", "user": "drill"}}],
        "current-context": "drill",
    }


def _private(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
