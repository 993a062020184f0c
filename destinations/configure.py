"""Taking in a destination's configuration as people edit it: masked where it holds secrets.

Admin and API share this. Must never put a value into a message: it may be a secret.
"""

from typing import Any

from destinations import registry
from destinations.schema import MASK, Problem


def checked(type_name: str, shown: Any, stored: Any) -> tuple[Any, list[Problem]]:
    """The configuration to store, and what is wrong with it, by path.

    A mask that was left standing keeps the secret of what is `stored`. Raises registry.UnknownTypeError.
    """
    schema = registry.schema(type_name)
    config = schema.unmask(shown, stored)
    problems = schema.validate(config)
    if not problems and MASK in schema.secrets(config):
        problems = [("", f"{MASK} stands where no secret is stored: enter it again")]
    return config, problems


def masked(type_name: str, config: Any) -> Any:
    """The configuration to show. Of a type that is gone nothing is known, so all of it may be secret."""
    if type_name not in registry.types():
        return MASK
    return registry.schema(type_name).mask(config)
