"""Answers: model objects as JSON, encoded once; lists are never null; files are streamed."""

import json

from fastapi import Response

from codencer.model.codec import encode


def encode_json(value: object) -> bytes:
    """The JSON bytes of a model object, a view, or a list of them."""
    return json.dumps(encode(value), ensure_ascii=False, separators=(",", ":")).encode()


def answer(value: object, status: int = 200) -> Response:
    return Response(encode_json(value), status, media_type="application/json")
