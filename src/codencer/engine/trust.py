"""Consent to commands that come from project files: given by the user, by content.

A repository is somebody else's text. What its files would have the bridge start (adapters,
the post_create hook, other executables) runs only once the user has trusted exactly that
content in exactly this repository; any change to it needs a new consent. Kept in the user's
state directory, outside every repository, in a file only the user can write.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from codencer.config import Config, for_checkout
from codencer.errors import Forbidden, StorageFailed, Untrusted
from codencer.locate import Repository, user_state_dir
from codencer.locate.files import locked, make_private, read_regular, write_atomically
from codencer.model.codec import canonical
from codencer.model.step import AdapterSettings, ProvisioningSpec
from codencer.workspace.provision import read_provisioning

_FILE = "trusted.json"
_LARGEST = 16 * 1024 * 1024


class TrustKind(StrEnum):
    ADAPTER = "adapter"
    HOOK = "hook"
    BINARY = "binary"


@dataclass(frozen=True, kw_only=True)
class TrustItem:
    """One command of a project file; `content` is what would run, escaped so that it shows as it is."""

    kind: TrustKind
    name: str
    content: str
    digest: str


def needed(config: Config, provisioning: ProvisioningSpec) -> list[TrustItem]:
    """Everything in the project's files that would run, trusted or not."""
    common_dir = config.repository.common_dir
    items = [
        _adapter_item(common_dir, adapter.settings)
        for _, adapter in sorted(config.adapters.items())
        if adapter.needs_trust
    ]
    if provisioning.post_create.strip():
        items.append(_hook_item(common_dir, provisioning))
    items += [
        _item(common_dir, TrustKind.BINARY, binary.variable, binary.path)
        for _, binary in sorted(config.binaries.items())
        if binary.needs_trust
    ]
    return items


def needed_for(config: Config, adapter: AdapterSettings, provisioning: ProvisioningSpec) -> list[TrustItem]:
    """The part of `needed` that one step with this adapter would start."""
    common_dir = config.repository.common_dir
    items = []
    configured = config.adapters.get(adapter.name)
    if configured is not None and configured.needs_trust:
        # Another executable for it (`CODEX_BINARY`) is an item of its own, below.
        as_written = replace(adapter, program=configured.settings.program)
        if configured.settings == as_written:
            items.append(_adapter_item(common_dir, as_written))
    if provisioning.post_create.strip():
        items.append(_hook_item(common_dir, provisioning))
    binary = config.binary(adapter.name)
    if binary is not None and binary.needs_trust:
        items.append(_item(common_dir, TrustKind.BINARY, binary.variable, binary.path))
    return items


def untrusted(
    config: Config, items: Iterable[TrustItem], environ: Mapping[str, str] = os.environ
) -> list[TrustItem]:
    """Those of `items` that the user has not trusted; none with `trust = "always"`.

    Raises:
        StorageFailed: the record of trust is damaged. Forbidden: others may write it.
    """
    if config.trust == "always":
        return []
    trusted = _read(user_state_dir(environ))
    return [item for item in items if item.digest not in trusted]


def grant(items: Iterable[TrustItem], actor: str, environ: Mapping[str, str] = os.environ) -> None:
    """Record the user's consent to `items`; durable when it returns.

    Raises:
        StorageFailed: it cannot be written.
    """
    folder = make_private(user_state_dir(environ))
    with locked(folder / "trusted.lock"):
        trusted = dict(_read(folder))
        for item in items:
            trusted[item.digest] = {
                "kind": item.kind.value,
                "name": item.name,
                "content": item.content,
                "actor": actor,
                "granted_at": time.time_ns() // 1000,
            }
        document = {"version": 1, "trusted": trusted}
        write_atomically(folder / _FILE, json.dumps(document, indent=1).encode("ascii"))


def pending(config: Config, checkout: Path) -> list[TrustItem]:
    """What the project's files in `checkout` would run and the user has not trusted yet."""
    project = for_checkout(config, checkout)
    return untrusted(project, needed(project, read_provisioning(checkout)))


def grant_all(config: Config, checkout: Path, actor: str) -> list[TrustItem]:
    """Trust everything that is pending in `checkout`, and return it."""
    items = pending(config, checkout)
    if items:
        grant(items, actor)
    return items


def require_trust(
    config: Config,
    repository: Repository,
    adapter: AdapterSettings,
    provisioning: ProvisioningSpec,
    *,
    grant: bool = False,
) -> None:
    """Refuse a step that would run untrusted commands of the project's.

    Args:
        repository: the caller's checkout, for the message.
        grant: the caller consents now, as `--trust` does.

    Raises:
        Untrusted: names the commands and how to trust them.
    """
    missing = untrusted(config, needed_for(config, adapter, provisioning))
    if missing and grant:
        _grant_now(missing)
    elif missing:
        listed = "; ".join(f"{item.kind} {item.name}: {item.content[:200]}" for item in missing)
        raise Untrusted(
            f"files of this repository name commands you have not trusted yet: {listed}. "
            f"Look at them, then run `codencer trust` in {repository.top}, or add --trust; "
            "nothing was started"
        )


def _grant_now(items: list[TrustItem]) -> None:
    grant(items, "--trust")


def _adapter_item(common_dir: Path, settings: AdapterSettings) -> TrustItem:
    # Everything in the table counts: its command, and which of the user's variables it is given.
    return _item(common_dir, TrustKind.ADAPTER, settings.name, canonical(settings).decode("ascii"))


def _hook_item(common_dir: Path, provisioning: ProvisioningSpec) -> TrustItem:
    return _item(common_dir, TrustKind.HOOK, provisioning.source, provisioning.post_create)


def _item(common_dir: Path, kind: TrustKind, name: str, content: str) -> TrustItem:
    bound = ["codencer trust v1", os.fsencode(common_dir).hex(), kind.value, name, content]
    digest = hashlib.sha256(canonical(bound)).hexdigest()
    return TrustItem(kind=kind, name=name, content=_shown(content), digest=digest)


def _shown(content: str) -> str:
    """The content with everything escaped that a terminal might obey or hide."""
    return "".join(
        each
        if each.isprintable() or each == "\n"
        else each.encode("unicode_escape", "surrogatepass").decode("ascii")
        for each in content
    )


def _read(folder: Path) -> Mapping[str, object]:
    path = folder / _FILE
    content = read_regular(path, _LARGEST)
    if content is None:
        return {}
    status = os.stat(path)
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
        raise Forbidden(
            f"{path} can be written by others, so it proves no consent: remove it and trust again"
        )
    try:
        document = json.loads(content)
        trusted = document["trusted"]
        if document["version"] != 1 or not isinstance(trusted, dict):
            raise ValueError("not a record of trust")
        return trusted
    except (ValueError, KeyError, TypeError) as problem:
        raise StorageFailed(
            f"{path} is damaged; remove it and run `codencer trust` again in each repository"
        ) from problem
