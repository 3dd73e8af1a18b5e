"""Which policy a step has: found in the caller's checkout at submission, and frozen then.

A team keeps its own in `.codencer/policies/NAME.yaml`. They are read from the checkout a task is submitted
from, never from a base or a workspace: no agent can change what judges it.
"""

from pathlib import Path

from codencer.errors import InvalidInput, MalformedInput, NotFound
from codencer.locate.files import read_regular
from codencer.model.ids import check_name
from codencer.model.policy import Policy
from codencer.model.step import Step
from codencer.policy import MAX_POLICY_BYTES, load, names, parse

FOLDER = Path(".codencer", "policies")
MOST_SHOWN = 30
"""Names of policies that a message lists."""


def policy_of(step: Step) -> Policy:
    """The policy of a step, as it was frozen."""
    return step.frozen.policy or load(step.policy)


def find_policy(checkout: Path, name: str) -> Policy:
    """The policy called `name`, as `checkout` has it now.

    Raises:
        InvalidInput: there is none of that name, or it is wrong; says where.
    """
    check_name(name, "the name of the policy")
    place = FOLDER / f"{name}.yaml"
    content = read_regular(checkout / place, MAX_POLICY_BYTES)
    if content is None:
        try:
            return load(name)
        except NotFound as missing:
            raise InvalidInput(f"{missing}{_own(checkout)}") from missing
    if name in names():
        raise InvalidInput(
            f"{place} has the name of a policy that comes with Codencer, so nobody could tell which one is "
            "meant: give the file another name"
        )
    try:
        policy = parse(content.decode("utf-8"), str(place))
    except UnicodeDecodeError as problem:
        raise MalformedInput(f"{place} is not UTF-8: {problem}") from problem
    if policy.name != name:
        raise InvalidInput(f"{place} says `name: {policy.name}`; it has to be {name}, as the file is called")
    return policy


def _own(checkout: Path) -> str:
    found = sorted(path.stem for path in (checkout / FOLDER).glob("*.yaml"))
    if not found:
        return f"; this checkout has none of its own in {FOLDER}"
    more = ", …" if len(found) > MOST_SHOWN else ""
    return f"; in {FOLDER}: {', '.join(found[:MOST_SHOWN])}{more}"
