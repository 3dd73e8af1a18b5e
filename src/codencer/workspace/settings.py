"""The user's git settings as they stood at submission, as plain pairs that can be recorded.

Only a fixed list is taken: identity, line endings, filters, the user's own ignore rules and
attributes (their content, C-quoted, under keys beginning with `codencer.`) and promisor remotes
without passwords.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from codencer.errors import GitFailed, InvalidInput, LaunchFailed, TooLarge
from codencer.process.commands import run
from codencer.workspace.ignore import combined_rules
from codencer.workspace.names import quote_path, unquote_path

GitSettings = tuple[tuple[str, str], ...]

EXCLUDES_KEY = "codencer.excludes"
ATTRIBUTES_KEY = "codencer.attributes"

_TAKEN = re.compile(
    r"(user|author|committer)\.(name|email)"
    r"|core\.(autocrlf|eol|safecrlf|sharedrepository|checkroundtripencoding|bigfilethreshold)"
    r"|i18n\.commitencoding"
    r"|filter\..+\.(clean|smudge|process|required)",
    re.DOTALL,
)
_PROMISOR_REMOTE = re.compile(r"remote\.(.+)\.promisor", re.DOTALL)
_OF_PROMISOR = re.compile(r"url\..+\.insteadof|credential\.(.+\.)?(helper|usehttppath)", re.DOTALL)
_PASSWORD = re.compile(r"^([a-z0-9+.-]+://[^/@:]*):[^/@]*@", re.IGNORECASE)

_MAX_FILE_BYTES = 1024 * 1024
"""Ignore and attribute files travel with every step's record; nobody's are a thousandth of this."""


def read_settings(checkout: Path) -> GitSettings:
    """Return the settings that a checkout and a snapshot of this work tree need.

    Raises:
        InvalidInput: a setting is not UTF-8, so it cannot be recorded.
        TooLarge: an ignore or attributes file is over 1 MiB.
        GitFailed: git could not read its configuration.
    """
    config = list(_configuration(checkout))
    last = dict(config)
    promisors = [match[1] for key in last if (match := _PROMISOR_REMOTE.fullmatch(key)) and _on(last[key])]
    pairs = [(key, value) for key, value in config if _TAKEN.fullmatch(key)]
    if promisors:
        pairs += [(key, value) for key, value in config if _OF_PROMISOR.fullmatch(key)]
    for name in promisors:
        pairs.append((f"remote.{name}.promisor", "true"))
        pairs += _kept_of_remote(name, last)
    everywhere = _content(_named(checkout, last.get("core.excludesfile"), "ignore"))
    own = _asked(checkout, "rev-parse", "--path-format=absolute", "--git-path", "info/exclude")
    rules = combined_rules(everywhere, {b"": _content(Path(os.fsdecode(own.removesuffix(b"\n"))))})
    attributes = _content(_named(checkout, last.get("core.attributesfile"), "attributes"))
    kept = ((EXCLUDES_KEY, rules), (ATTRIBUTES_KEY, attributes))
    return (*pairs, *((key, quote_path(content)) for key, content in kept if content))


def ignoring(settings: GitSettings, rules: bytes) -> GitSettings:
    """The settings with more lines at the end of the user's ignore rules, which any `.gitignore` outranks."""
    before = unquote_path(dict(settings).get(EXCLUDES_KEY, ""))
    others = tuple((key, value) for key, value in settings if key != EXCLUDES_KEY)
    return (*others, (EXCLUDES_KEY, quote_path(before + b"\n" + rules)))


def is_partial(settings: GitSettings) -> bool:
    """Whether the repository is a partial clone: objects may be missing until a remote is asked."""
    return any(_PROMISOR_REMOTE.fullmatch(key) for key, _value in settings)


def _kept_of_remote(name: str, config: dict[str, str]) -> Iterator[tuple[str, str]]:
    for key in (f"remote.{name}.url", f"remote.{name}.partialclonefilter"):
        if key in config:
            yield key, _PASSWORD.sub(r"\1@", config[key])


def _configuration(checkout: Path) -> Iterator[tuple[str, str]]:
    for entry in _asked(checkout, "config", "--list", "-z").split(b"\0")[:-1]:
        key, bare, value = entry.partition(b"\n")
        name = key.decode("utf-8", "replace")
        try:
            # A key without "=" is how git writes a true boolean.
            yield name, value.decode("utf-8") if bare else "true"
        except UnicodeDecodeError:
            if _TAKEN.fullmatch(name):
                raise InvalidInput(
                    f"The git setting {name} of {checkout} is not UTF-8; rewrite it."
                ) from None


def _asked(checkout: Path, *args: str) -> bytes:
    """What git says there in the user's own environment; only for questions that run nothing else."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = run(["git", *args], cwd=checkout, env=env | {"LC_ALL": "C"})
    except LaunchFailed as cause:
        raise GitFailed(f"git could not be asked for the settings of {checkout}: {cause}") from cause
    if done.code != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise GitFailed(f"git cannot read the settings of {checkout}: {said}")
    return done.stdout


def _named(checkout: Path, setting: str | None, default: str) -> Path:
    """The file a setting names, or the one in the user's configuration folder that is its default."""
    if setting is None:
        root = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        return Path(root, "git", default)
    return checkout / Path(setting).expanduser() if setting else Path(os.devnull)


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise TooLarge(f"{path} is over 1 MiB; git reads it on every command, so make it shorter.")
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as cause:
        raise InvalidInput(f"{path}, named by your git settings, cannot be read: {cause}.") from cause


def _on(value: str) -> bool:
    return value.lower() in ("true", "yes", "on", "1", "")
