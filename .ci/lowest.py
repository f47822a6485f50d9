"""Print pip constraints that pin what pyproject.toml asks for to the lowest version it allows.

For the dependencies and for those of one extra: `lowest.py test > constraints.txt`, then
`pip install -c constraints.txt '.[test]'`. What they in turn depend on stays as pip finds it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
# A name, extras, which a constraint may not have, and the lower bound, which each must have.
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?\s*>=\s*(?P<lowest>[0-9.]+)(,.*)?")


def constraints(extra: str) -> list[str]:
    """Return a line for each requirement; ValueError for one without a lower bound."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    lines = []
    for requirement in [*project["dependencies"], *project["optional-dependencies"][extra]]:
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise ValueError(f"{PYPROJECT.name}: no lower bound: {requirement}")
        lines.append(f"{match['name']}=={match['lowest']}")
    return lines


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in constraints(sys.argv[1])))
