"""Profiles of agents made for these tests."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codencer.testing.conformance.cases import NAMES
from codencer.testing.conformance.profile import Profile, parse

MakeProfile = Callable[..., Profile]


@pytest.fixture
def plain() -> MakeProfile:
    """`plain(program=…, more=…)`: the profile of an agent that takes the model's address as its argument."""

    here = str(Path(__file__).parent)
    own = Path(__file__).with_name("plain_agent.py")

    def make(program: Path = own, more: str = "") -> Profile:
        command = json.dumps(["sh", "-c", f"exec {sys.executable} {program} $MODEL_ADDRESS"])
        return parse(
            f"""
adapter = "plain"
about = "An agent of the smallest kind."
environment = {{ MODEL_ADDRESS = "$url" }}
settings = {{ command = {command}, env = ["MODEL_ADDRESS"], read = {json.dumps([here, str(program)])} }}
{more}
""",
            "a test",
            NAMES,
        )

    return make
