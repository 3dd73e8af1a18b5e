"""A landing that was killed on its way is finished or undone, and nothing the user did meanwhile is lost."""

import shutil
from typing import TYPE_CHECKING

import pytest

from codencer.errors import Conflict, LandingCutOff
from codencer.workspace.git import open_store
from codencer.workspace.index_lock import is_ours
from codencer.workspace.land import carry_out

if TYPE_CHECKING:
    from tests.integration.workspace.land.conftest import User

    from codencer.model.landing import Landing

CHANGES: dict[str, str | None] = {
    "a": "new\n",
    "b": None,
    "b/inside": "x\n",
    "d/c": None,
    "e/f/g": "g\n" * 2000,
    "l": "-> a",
}
LANDED = {
    "a": "new\n",
    "b/inside": "x\n",
    "e/f/g": "g\n" * 2000,
    "l": "-> a",
    ".gitignore": "*.secret\n",
}
MINE = {"mine": "untracked\n", "x.secret": "ignored\n"}


def planned(user: "User", form: str = "commit", target: str | None = None) -> "Landing":
    user.write(MINE)
    return user.plan(user.request(user.snapshot(CHANGES), form, target))


def has_landed(user: "User", landing: "Landing") -> None:
    assert user.git("rev-parse", "HEAD") == landing.commit
    assert user.files() == {**LANDED, **MINE}
    assert user.dirt() == "?? mine"


@pytest.mark.parametrize("moment", ["lock:after", "files:after", "ref:after", "index:before"])
def test_it_is_finished_although_the_lock_was_removed(user: "User", moment: str) -> None:
    landing = planned(user)
    user.cut_off(landing, f"land.{moment}")
    (user.top / ".git" / "index.lock").unlink()  # as people do
    user.carry_out_again(landing)
    has_landed(user, landing)
    user.carry_out_again(landing)
    has_landed(user, landing)


def test_files_that_git_had_no_time_to_write_whole(user: "User") -> None:
    landing = planned(user)
    user.cut_off(landing, "land.files:after")
    user.write({"e/f/g": "g\n" * 7, "a": ""})
    (user.top / "l").unlink()
    user.carry_out_again(landing)
    has_landed(user, landing)


def test_an_edit_made_meanwhile_stays_and_the_rest_is_put_back(user: "User") -> None:
    before, index = user.files(), (user.top / ".git" / "index").read_bytes()
    landing = planned(user)
    user.cut_off(landing, "land.files:after")
    user.write({"a": "new, and my own words\n", "e/f/g": "my own\n"})
    with pytest.raises(Conflict, match=r"in the way: e/f/g\."):
        user.carry_out_again(landing)
    user.nothing_is_left()
    assert user.files() == {**before, **MINE, "a": "new, and my own words\n", "e/f/g": "my own\n"}
    assert user.git("rev-parse", "HEAD") == landing.before
    assert (user.top / ".git" / "index").read_bytes() == index
    assert user.dirt() == " M a\n?? e/\n?? mine"


def test_a_user_who_went_elsewhere_meanwhile_is_left_alone(user: "User") -> None:
    landing = planned(user)
    user.cut_off(landing, "land.files:after")
    (user.top / ".git" / "index.lock").unlink()
    user.git("checkout", "-q", "--force", "-b", "other")
    there = user.commit({"a": "of the user\n"})
    (user.top / ".git" / f"codencer-landing-{landing.mark}").unlink()
    with user.unchanged(), pytest.raises(Conflict, match="moved meanwhile"):
        carry_out(user.store, landing, again=True)
    assert user.git("rev-parse", "HEAD") == there


@pytest.mark.parametrize("reset", [False, True])
def test_what_the_user_staged_meanwhile_stays_staged(user: "User", reset: bool) -> None:
    landing = planned(user)
    user.cut_off(landing, "land.ref:after")
    (user.top / ".git" / "index.lock").unlink()
    if reset:
        user.git("reset", "-q")
    user.git("add", "mine")
    user.carry_out_again(landing)
    assert user.dirt() == "A  mine"
    assert user.files() == {**LANDED, **MINE}


def test_a_user_who_went_on_from_there_is_left_alone(user: "User") -> None:
    landing = planned(user)
    user.cut_off(landing, "land.ref:after")
    (user.top / ".git" / "index.lock").unlink()
    user.git("reset", "-q")
    user.commit({"a": "of the user\n"})
    (user.top / ".git" / f"codencer-landing-{landing.mark}").unlink()
    with user.unchanged():
        carry_out(user.store, landing, again=True)


def test_a_lock_of_somebody_else_is_waited_for(user: "User") -> None:
    landing = planned(user)
    user.cut_off(landing, "land.files:after")
    lock = user.top / ".git" / "index.lock"
    lock.write_text("of somebody else")
    assert not is_ours(lock)
    with user.unchanged(), pytest.raises(LandingCutOff, match="Another git command"):
        carry_out(user.store, landing, again=True)
    lock.unlink()
    user.carry_out_again(landing)
    has_landed(user, landing)


def test_a_lock_of_another_landing_is_not_ours(user: "User") -> None:
    landing = planned(user)
    user.cut_off(landing, "land.lock:after")
    assert is_ours(user.top / ".git" / "index.lock")
    with user.unchanged(), pytest.raises(Conflict, match="Another git command"):
        user.land(user.snapshot({"b": "2\n"}))


def test_a_repository_that_was_moved(user: "User") -> None:
    landing = planned(user)
    user.cut_off(landing, "land.files:after")
    user.top = user.top.rename(user.folder / "elsewhere")
    user.store = open_store(user.top / ".git", user.folder / "state of the moved one")
    user.carry_out_again(landing)
    has_landed(user, landing)


def test_a_copy_finishes_its_own(user: "User") -> None:
    landing = planned(user)
    user.cut_off(landing, "land.files:after")
    original, copy = user.top, user.folder / "copy"
    shutil.copytree(original, copy, symlinks=True)
    with user.unchanged():
        carry_out(open_store(copy / ".git", user.folder / "state of the copy"), landing, again=True)
    user.top = copy
    user.nothing_is_left()
    has_landed(user, landing)


def test_a_checkout_that_is_gone(user: "User") -> None:
    linked = user.folder / "linked"
    user.git("worktree", "add", "-q", "-b", "side", str(linked))
    landing = user.plan(user.request(user.snapshot(CHANGES), checkout=linked))
    user.cut_off(landing, "land.files:after")
    shutil.rmtree(linked)
    with user.unchanged(), pytest.raises(Conflict, match="is gone"):
        carry_out(user.store, landing, again=True)
    user.git("update-ref", "refs/heads/side", str(landing.commit))
    with user.unchanged():
        carry_out(user.store, landing, again=True)


def test_a_commit_that_was_collected(user: "User") -> None:
    landing = planned(user)
    user.cut_off(landing, "land.files:after")
    user.git("prune", "--expire=now")
    with pytest.raises(Conflict, match=f"commit {landing.commit} .* is gone"):
        carry_out(user.store, landing, again=True)
    assert user.git("rev-parse", "HEAD") == landing.before
    user.nothing_is_left()


def test_a_branch_that_the_user_has_gone_on_with(user: "User") -> None:
    landing = planned(user, "branch", "side")
    user.cut_off(landing, "land.branch:after")
    user.git("checkout", "-q", "side")
    there = user.commit({"more": "m\n"})
    user.carry_out_again(landing)
    assert user.git("rev-parse", "side") == there


def test_a_branch_of_that_name_that_somebody_else_made(user: "User") -> None:
    landing = planned(user, "branch", "side")
    user.cut_off(landing, "land.branch:before")
    user.git("branch", "side")
    with user.unchanged(), pytest.raises(Conflict, match="could not be made"):
        carry_out(user.store, landing, again=True)


def test_a_patch(user: "User") -> None:
    landing = planned(user, "patch", "x.patch")
    user.cut_off(landing, "land.patch:after")
    user.carry_out_again(landing)
    written = (user.top / "x.patch").read_bytes()
    assert b"+new" in written
    user.carry_out_again(landing)
    assert (user.top / "x.patch").read_bytes() == written
    assert user.dirt() == "?? mine\n?? x.patch"


def test_a_file_of_that_name_that_somebody_else_wrote(user: "User") -> None:
    landing = planned(user, "patch", "x.patch")
    user.cut_off(landing, "land.patch:before")
    user.write({"x.patch": "of the user\n"})
    with pytest.raises(Conflict, match="by somebody else"):
        user.carry_out_again(landing)
    user.nothing_is_left()
    assert user.read("x.patch") == "of the user\n"


def test_files_of_the_users_below_a_path_that_was_to_go(user: "User") -> None:
    landing = planned(user)
    user.cut_off(landing, "land.files:after")
    user.write({"b/mine": "my own\n"})
    with pytest.raises(Conflict, match=r"not committed: b\."):
        user.carry_out_again(landing)
    assert user.read("b/mine") == "my own\n"
