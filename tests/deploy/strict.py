"""What is wrong with an object, by Kubernetes' schema for its kind, or by the one that an operator gives for its own.

A field that is not in the schema is refused, as `kubectl apply` does; an API server by itself drops it without a word.
Must never judge what only a cluster can: rules in CEL, and what the operator's webhook refuses.
"""

import warnings
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft4Validator

from tests.deploy.chart import LOADER

Object = dict[str, Any]
OF_ALL: Object = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {}}
KUBERNETES = "1.34"


def faults(one: Object, schema: Object) -> list[str]:
    """`where: what` of each; empty when it is taken."""
    # Every object has metadata of the same form, so that a schema need not say which: any other kind's does.
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": one["metadata"]}, KUBERNETES, strict=True
    )
    whole = {**schema, "properties": {**schema.get("properties", {}), **OF_ALL}}
    found = Draft4Validator(strict(whole)).iter_errors(one)
    return sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found)


def strict(schema: Object) -> Object:
    """The same in JSON Schema, closed where an API server would drop what it does not know."""
    made = dict(schema)
    properties: Object = made.get("properties", {})
    if properties:
        made["properties"] = {name: strict(one) for name, one in properties.items()}
    for inner in ("items", "additionalProperties"):
        if isinstance(made.get(inner), dict):
            made[inner] = strict(made[inner])
    if made.get("type") == "object" and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if made.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    if made.get("nullable") and "type" in made:
        made["type"] = [*([made["type"]] if isinstance(made["type"], str) else made["type"]), "null"]
    # A default is put in before anything is checked.
    if required := [name for name in made.pop("required", ()) if "default" not in properties.get(name, {})]:
        made["required"] = required
    return made


def valid(stream: str) -> int:
    """How many objects there are of Kubernetes' own kinds; raises for one that it would not take."""
    found = [one for one in yaml.load_all(stream, LOADER) if one]
    own = [one for one in found if "." not in one["apiVersion"] or ".k8s.io/" in one["apiVersion"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jsonschema's, about how its caller resolves references
        for one in own:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)
    return len(own)
