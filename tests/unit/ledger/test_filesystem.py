"""Network file systems are recognised from the mount table."""

from pathlib import Path

import pytest

from codencer.errors import StorageFailed
from codencer.ledger.filesystem import file_system_of, is_remote, refuse_network

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw - nfs4 server:/home rw
31 30 0:41 / /home/ann/local rw - xfs /dev/sdb rw
32 22 0:42 / /mnt/with\040space rw master:1 propagate_from:2 - fuse.sshfs host: rw
33 22 0:43 / /stacked rw - cifs //host/share rw
34 22 0:44 / /stacked rw - btrfs /dev/sdc rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/codencer.db", "ext4"),
        ("/home/ann/x/codencer.db", "nfs4"),
        ("/home/ann/local/codencer.db", "xfs"),
        ("/home/ann/localx/codencer.db", "nfs4"),
        ("/homes/codencer.db", "ext4"),
        ("/mnt/with space/codencer.db", "fuse.sshfs"),
        ("/stacked/codencer.db", "btrfs"),
    ],
)
def test_the_innermost_latest_mount_counts(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_unknown_is_not_remote() -> None:
    assert file_system_of(Path("/x"), "") == ""
    for kind in ("", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "fuseblk", "fuse.bindfs"):
        assert not is_remote(kind), kind
    for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs"):
        assert is_remote(kind), kind


def test_a_remote_path_is_refused_with_a_way_out(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"30 22 0:40 / {tmp_path.resolve()} rw - nfs4 server:/home rw\n")
    with pytest.raises(StorageFailed, match=r"nfs4.*db_path"):
        refuse_network(tmp_path / "deep" / "codencer.db", mounts)
    refuse_network(tmp_path / "codencer.db", tmp_path / "no such table")
    refuse_network(tmp_path / "codencer.db")
