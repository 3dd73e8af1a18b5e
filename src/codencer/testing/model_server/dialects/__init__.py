"""One module for each vendor's way to ask and to answer.

Each reads a request into a `Conversation` and writes a reply as one document, or as the pieces of a
stream of server-sent events. The token counts are the same everywhere, and easy to recognise.
"""

from codencer.testing.model_server.dialects.dialect import Dialect, Piece
from codencer.testing.model_server.dialects.find import Asked, find

__all__ = ["Asked", "Dialect", "Piece", "find"]
