"""Opens the rooms of one instance, in the order in which they need each other."""

import os

from codencer.config import Config
from codencer.engine.layout import Layout
from codencer.engine.memory_cap import MemoryCap
from codencer.engine.rooms import Rooms
from codencer.errors import StorageFailed
from codencer.ledger import ArtifactStore, Ledger
from codencer.locate import claim_instance
from codencer.process.launches import Launcher
from codencer.process.sandbox import find_sandbox
from codencer.workspace.git import Git, open_store, see_out_earlier_commands


def open_rooms(config: Config) -> Rooms:
    """Make the folders that are missing and open ledger, store and launcher.

    Raises:
        StorageFailed: a folder cannot be made. LedgerFailed: the ledger cannot be used.
    """
    instance = claim_instance(config.repository.common_dir)
    home = config.workspaces(instance.id)
    layout = Layout(
        state=config.state_dir,
        artifacts=config.artifact_root,
        workspaces=home / "workspaces",
        trash=home / "trash",
    )
    try:
        layout.make()
    except OSError as problem:
        raise StorageFailed(
            f"cannot make {problem.filename}: {problem.strerror}. Nothing was started; free the disk "
            "or make that folder writable, and start again"
        ) from problem
    store = open_store(config.repository.common_dir, layout.state)
    see_out_earlier_commands(store)
    sandbox = find_sandbox(os.environ)
    launcher = Launcher(sandbox=sandbox)
    return Rooms(
        instance_id=instance.id,
        config=config,
        layout=layout,
        ledger=Ledger.open(config.db_path),
        artifacts=ArtifactStore(layout.artifacts),
        launcher=launcher,
        memory_cap=MemoryCap(launcher),
        store=store,
        environ=dict(os.environ),
        git_version=Git(store).text("version"),
        sandbox=sandbox,
    )
