"""The HTTP face of the engine: an application, and the server that listens for it.

One module per noun. Requests are decoded by `model.codec` (strict, nothing converted), answers
are encoded by it once; errors become problem documents in `problems` alone.
"""

from codencer.api.access import Access
from codencer.api.app import build_app
from codencer.api.server import Server, bind_tcp, bind_unix

__all__ = ["Access", "Server", "bind_tcp", "bind_unix", "build_app"]
