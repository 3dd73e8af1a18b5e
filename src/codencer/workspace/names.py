"""Paths inside a repository as text: git's C-quoted form for what is not Unicode.

Inside the room a path is bytes. Where it leaves as text it is the plain name when that is valid
UTF-8, else C-quoted with surrounding double quotes; `unquote_path(quote_path(p)) == p` always.
The rules stand beside the globs, which must match such texts on their real bytes.
"""

from codencer.globs import quote_path, unquote_path

__all__ = ["quote_path", "unquote_path"]
