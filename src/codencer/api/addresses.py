"""Addresses in paths: an id, a suffix, `latest`, or RUN/STEP written as RUN%2FSTEP."""

from typing import Annotated
from urllib.parse import unquote

from fastapi import Path
from pydantic import AfterValidator

Address = Annotated[str, Path(min_length=1, max_length=300), AfterValidator(unquote)]
