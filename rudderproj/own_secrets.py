"""The secrets in a process's own environment: found by name, shown masked, taken out of texts.

Must never import Django: it is needed where Django has just failed.
"""

import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote

from rudderproj.env import VARIABLES
from rudderproj.masking import MASK, masker

LEAST, FOREIGN_LEAST = 6, 8  # characters of a secret of ours and of others: shorter ones stand in texts by chance
_NAMED = re.compile(r"AUTH|CREDENTIAL|DSN|KEY|PASS|PWD|SECRET|SIGNATURE|TOKEN")  # of any variable, not only ours
_NOT_MEANT = {"PWD", "OLDPWD", "SSH_AUTH_SOCK"}  # folders: masked, they would take the paths out of every traceback
_USER = re.compile(r"//.*@", re.DOTALL)  # up to the last: a password may hold anything
_LONG_PART = re.compile(r"(?<=/)[^/]{20,}")  # of a path: a token, as in a webhook's address
_SECRET = frozenset(variable.name for variable in VARIABLES if variable.secret)


def is_secret(name: str) -> bool:
    """Whether the variable of that name holds a secret."""
    return name in _SECRET or bool(name not in _NOT_MEANT and _NAMED.search(name.upper()))


def shown(name: str, value: str) -> str:
    """What may be told of a variable: of a URL where it leads, of another secret that it is set."""
    if "://" in value:
        return ";".join(_shown_url(part) for part in re.split(r";(?=\w+://)", value))
    return MASK if is_secret(name) and value else value


@functools.lru_cache(maxsize=1)
def mask() -> Callable[[str], str]:
    """Takes the secrets of this process's environment out of a text, whatever form they are in."""
    return masker_of(os.environ)


def masker_of(environ: Mapping[str, str]) -> Callable[[str], str]:
    """The same for an environment."""
    return masker({text for name, value in environ.items() for text in _secrets(name, value)})


def _shown_url(url: str) -> str:
    """Without user and password, without tokens in its path, and without a query, which may hold another."""
    plain = _USER.sub(f"//{MASK}@", url).partition("?")[0].partition("#")[0]
    scheme, separator, rest = plain.partition("://")
    return scheme + separator + _LONG_PART.sub(MASK, rest)


def _secrets(name: str, value: str) -> Iterator[str]:
    least = LEAST if name in _SECRET else FOREIGN_LEAST
    if "://" in value:
        texts = {text for url in re.split(r"[;,\s](?=\w+://)", value) for text in _of_url(url)}
    elif is_secret(name):
        texts = {value, value.partition(":")[2], *map(str.strip, value.split(","))}  # user:password, several keys
    else:
        return
    yield from (text for text in texts if len(text) >= least)


def _of_url(url: str) -> Iterator[str]:
    rest, _, query = url.partition("://")[2].partition("?")
    user = url.partition("://")[2].rpartition("@")[0]
    values = [value for name, _, value in (pair.partition("=") for pair in query.split("&")) if is_secret(name)]
    for text in (user, user.partition(":")[2], *_LONG_PART.findall(rest), *values):
        yield from {text, unquote(text)}
