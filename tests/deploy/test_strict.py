"""The validator of operators' objects itself, by a schema small enough to read."""

from typing import Any

import kubernetes_validate
import pytest

from tests.deploy.strict import faults

TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "required": ["instances", "method"],
            "properties": {
                "instances": {"type": "integer", "minimum": 1},
                "method": {"type": "string", "default": "any"},
                "port": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
                "amount": {"x-kubernetes-int-or-string": True},
                "class": {"type": "string", "nullable": True},
                "labels": {"type": "object", "additionalProperties": TEXT},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"name": TEXT}},
                "closed": {"type": "object"},
                "rules": {"type": "array", "items": {"type": "object", "properties": {"expr": TEXT}}},
            },
        },
    },
}


def found(**spec: object) -> list[str]:
    one = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "thing"}}
    return faults(one | {"spec": {"instances": 3, **spec}}, SCHEMA)


def test_a_misspelt_field_is_refused_at_any_depth() -> None:
    assert found(instanzes=3) == ["spec: Additional properties are not allowed ('instanzes' was unexpected)"]
    deep = found(rules=[{"expr": "1"}, {"exp": "1"}])
    assert deep == ["spec.rules.1: Additional properties are not allowed ('exp' was unexpected)"]
    assert found(closed={"a": 1}) == ["spec.closed: Additional properties are not allowed ('a' was unexpected)"]


def test_what_is_left_open_takes_anything_but_another_type_of_what_it_knows() -> None:
    assert found(free={"other": {"deep": 1}}) == []
    assert found(free={"name": 1}) == ["spec.free.name: 1 is not of type 'string'"]


def test_another_type_is_refused() -> None:
    assert found(instances="3") == ["spec.instances: '3' is not of type 'integer'"]
    assert found(instances=0) == ["spec.instances: 0 is less than the minimum of 1"]
    assert found(labels={"size": 5}) == ["spec.labels.size: 5 is not of type 'string'"]


@pytest.mark.parametrize("value", [5432, "metrics"])
def test_a_number_or_a_string_is_taken_where_either_may_be(value: int | str) -> None:
    assert found(port=value, amount=value) == []


def test_a_list_is_not_taken_there() -> None:
    assert found(port=[1]) == [
        "spec.port: [1] is not of type 'integer', 'string'",
        "spec.port: [1] is not valid under any of the given schemas",
    ]
    assert found(amount=[1]) == ["spec.amount: [1] is not of type 'integer', 'string'"]


def test_nothing_is_taken_only_where_it_may_be() -> None:
    assert found(**{"class": None}) == []
    assert found(closed=None) == ["spec.closed: None is not of type 'object'"]


def test_what_is_required_may_be_left_to_its_default_alone() -> None:
    assert found() == []
    one = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "thing"}, "spec": {}}
    assert faults(one, SCHEMA) == ["spec: 'instances' is a required property"]


def test_metadata_is_that_of_any_object() -> None:
    one = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"label": {}}, "spec": {"instances": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="'label' was unexpected"):
        faults(one, SCHEMA)
