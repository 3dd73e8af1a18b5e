"""A folder whose name is short enough for sockets."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def short_folder() -> Path:
    return Path(os.environ["XDG_RUNTIME_DIR"])
