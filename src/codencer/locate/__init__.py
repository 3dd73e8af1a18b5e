"""Where things are: the repository, the folders of state, the instance and its daemon.

Pure file reading with the standard library only, and light to import, because every CLI
verb starts here. No git process is ever started and GIT_DIR is not honoured: what is found
depends on the folder alone. Nothing here is created unless the function says so.
"""

from codencer.locate.descriptor import (
    Descriptor,
    descriptor_path,
    read_descriptor,
    register,
    registered,
    registry_entry,
    remove_descriptor,
    unregister,
    write_descriptor,
)
from codencer.locate.folders import (
    make_runtime_dir,
    make_state_dir,
    runtime_dir,
    socket_path,
    state_dir,
    user_config_dir,
    user_state_dir,
)
from codencer.locate.instance import Instance, claim_instance, read_instance
from codencer.locate.repository import Repository, find_repository

__all__ = [
    "Descriptor",
    "Instance",
    "Repository",
    "claim_instance",
    "descriptor_path",
    "find_repository",
    "make_runtime_dir",
    "make_state_dir",
    "read_descriptor",
    "read_instance",
    "register",
    "registered",
    "registry_entry",
    "remove_descriptor",
    "runtime_dir",
    "socket_path",
    "state_dir",
    "unregister",
    "user_config_dir",
    "user_state_dir",
    "write_descriptor",
]
