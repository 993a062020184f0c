"""Kinds of operators: which objects are of one, and what these publish of them (tests/deploy/crds)."""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
Name = tuple[str, str]  # apiVersion and kind
PUBLISHED = Path(__file__).resolve().parents[2] / "tests/deploy/crds"


def is_foreign(one: Object) -> bool:
    """Whether its kind comes with an operator: Kubernetes' own groups have no dot, or end in k8s.io."""
    group = one["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def foreign(objects: Iterable[Object]) -> list[Name]:
    """The kinds of operators among these, each once."""
    return sorted({(one["apiVersion"], one["kind"]) for one in objects if is_foreign(one)})


@functools.cache
def defined() -> Mapping[Name, Object]:
    """The CustomResourceDefinition of each kind in each version that is served."""
    found: dict[Name, Object] = {}
    for file in sorted(PUBLISHED.glob("*.yaml")):
        for one in yaml.load_all(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            spec = one["spec"]
            for version in spec["versions"]:
                if version["served"]:
                    found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = one
    return found


def schema(name: Name) -> Object:
    """What an object of this kind may be. Raises KeyError where nobody has defined it."""
    version = name[0].rpartition("/")[2]
    versions = defined()[name]["spec"]["versions"]
    found: Object = next(one["schema"]["openAPIV3Schema"] for one in versions if one["name"] == version)
    return found
