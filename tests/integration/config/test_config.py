"""Settings from real files: who wins, what is refused, and what a repository may not do."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from codencer.config import AtOnce, Config, for_checkout, show, start_folder
from codencer.errors import Forbidden, InvalidInput, NotFound
from codencer.locate import Repository
from codencer.model.step import PromptChannel

Load = Callable[..., Config]
Write = Callable[[str], Path]


def test_without_any_source_everything_is_the_default(load_config: Load, repository: Repository) -> None:
    config = load_config()
    assert (config.host, config.port, config.default_policy) == ("127.0.0.1", 8085, "basic")
    assert config.default_adapter is None
    assert config.max_parallel.overall >= 2
    assert config.memory_floor_mb == 0
    assert (config.trust, config.sandbox, config.simulation) == ("ask", "auto", False)
    assert config.db_path == repository.common_dir / "codencer" / "codencer.db"
    assert config.artifact_root == repository.common_dir / "codencer" / "artifacts"
    assert config.workspace_root == Path(os.environ["XDG_STATE_HOME"]) / "codencer"
    assert config.workspaces("inst_x") == config.workspace_root / "inst_x"
    assert config.repo_root == repository.top
    assert {origin for _, _, origin in show(config)} == {"default"}


def test_each_source_gives_way_to_the_stronger(
    load_config: Load, repository: Repository, user_file: Write, project_file: Write
) -> None:
    mine = user_file("port = 1\n")
    assert (load_config().port, load_config().origin("port")) == (1, f"{mine}:1: port")
    ours = project_file("# team\nport = 2\n")
    assert (load_config().port, load_config().origin("port")) == (2, f"{ours}:2: port")
    dotenv = repository.top / ".env"
    dotenv.write_text("# codencer\nPORT=3\n")
    assert (load_config().port, load_config().origin("port")) == (3, f"{dotenv}:2: PORT")
    config = load_config(PORT="4")
    assert (config.port, config.origin("port")) == (4, "environment variable PORT")
    config = load_config(PORT="4", CODENCER_PORT="5")
    assert (config.port, config.origin("port")) == (5, "environment variable CODENCER_PORT")
    config = load_config({"port": "6"}, CODENCER_PORT="5")
    assert (config.port, config.origin("port")) == (6, "--port")


def test_the_projects_own_dotenv_does_not_touch_the_daemon(load_config: Load, repository: Repository) -> None:
    (repository.top / ".env").write_text("PORT=9999\nDB_PATH=/tmp/app.db\nnot even = valid\n")
    config = load_config()
    assert config.port == 8085
    assert config.origin("db_path") == "default"


def test_a_marked_dotenv_counts(load_config: Load, repository: Repository) -> None:
    (repository.top / ".env").write_text(
        "# codencer\n\nPORT = 7001   # ours\nLOG_LEVEL='warn'\nCODENCER_DEFAULT_POLICY=\"basic\"\n"
        "ARTIFACT_ROOT=.codencer/artifacts\nHOST=localhost\nDB_PATH=\n"
    )
    config = load_config()
    assert (config.port, config.log_level, config.host) == (7001, "warning", "localhost")
    assert config.artifact_root == repository.top / ".codencer" / "artifacts"
    assert config.origin("db_path") == "default"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("PORT", "expected NAME=value or a comment"),
        ("export PORT=1", "expected NAME=value or a comment"),
        ("PORT=1\nPORT=2", "PORT was already set in line 2"),
        ("PORT='1", "PORT: the quoted value is not closed"),
        ('PORT="1" 2', "PORT: the quoted value is not closed, or something follows it"),
        ("APP_SECRET=x", "APP_SECRET: unknown setting"),
        ("PORT=http", "PORT: 'http' is not a whole number"),
        ("PORT=70000", "PORT: 70000 is out of range"),
    ],
)
def test_a_bad_line_in_a_marked_dotenv_names_file_and_line(
    load_config: Load, repository: Repository, line: str, problem: str
) -> None:
    path = repository.top / ".env"
    path.write_text(f"# codencer\n{line}\n")
    with pytest.raises(InvalidInput) as caught:
        load_config()
    assert str(caught.value).startswith(f"{path}:")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "HOST=0.0.0.0",
        "HOST=127.0.0.1.evil.example",
        "ORCHESTRATORD_URL=http://evil.example",
        "ORCHESTRATORD_URL=http://127.0.0.1@evil.example",
        "DB_PATH=/home/somebody/x.db",
        "DB_PATH=~/x.db",
        "DB_PATH=../x.db",
        "DB_PATH=link/x.db",
        "DB_PATH=.git/config",
        "ARTIFACT_ROOT=/etc",
        "ARTIFACT_ROOT=.",
        "WORKSPACE_ROOT=work",
        "REPO_ROOT=/",
        "CODENCER_TRUST=always",
        "CODENCER_SANDBOX=none",
        "CODENCER_RETENTION_DAYS=1",
    ],
)
def test_a_dotenv_cannot_weaken_the_users_safety(
    load_config: Load, repository: Repository, tmp_path: Path, line: str
) -> None:
    (repository.top / "link").symlink_to(tmp_path)
    (repository.top / ".env").write_text(f"# codencer\n{line}\n")
    with pytest.raises(InvalidInput, match=rf"\.env:2: {line.partition('=')[0]}"):
        load_config()


@pytest.mark.parametrize(
    "line",
    [
        'host = "127.0.0.1"',
        'url = "http://127.0.0.1:1"',
        'db_path = "x.db"',
        'artifact_root = "x"',
        'workspace_root = "/tmp/x"',
        'repo_root = "."',
        'trust = "always"',
        'sandbox = "none"',
        "simulation = true",
    ],
)
def test_the_projects_file_may_not_set_what_guards_the_user(
    load_config: Load, project_file: Write, line: str
) -> None:
    path = project_file(f"\n{line}\n")
    with pytest.raises(InvalidInput, match="anybody may have written it") as caught:
        load_config()
    assert str(caught.value).startswith(f"{path}:2: {line.partition(' ')[0]}")


def test_the_user_may(load_config: Load, user_file: Write, tmp_path: Path) -> None:
    user_file(f'trust = "always"\nsandbox = "none"\nhost = "::1"\nworkspace_root = "{tmp_path}/w"\n')
    config = load_config()
    assert (config.trust, config.sandbox, config.host) == ("always", "none", "::1")
    assert config.workspaces("inst_1") == tmp_path / "w" / "inst_1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prot = 1", "1: prot: unknown key (did you mean port?)"),
        ("[adapter.x]\ncommand = ['a']", "1: adapter: unknown key (did you mean adapters?)"),
        ('port = "8085"', "1: port: expected a whole number, found '8085'"),
        ("port = true", "1: port: expected a whole number, found True"),
        ("simulation = 1", "1: simulation: expected true or false, found 1"),
        ("log_level = 'loud'", "1: log_level: expected one of debug, info, warning, error"),
        ("default_policy = '../x'", "1: default_policy: the name '../x' is not usable"),
        ("max_parallel = 0", "1: max_parallel: 0 is out of range: from 1 to 1024"),
        ("[max_parallel]", "max_parallel: the table is empty"),
        ("[max_parallel]\noverall = 2\nx = 1", "max_parallel: unknown key 'x'"),
        ("[max_parallel]\nper_run = 0", "max_parallel: per_run: 0 is out of range: from 1 to 1024"),
        (
            "max_parallel = {per_adapter = {codex = 1}}",
            "1: max_parallel: per_adapter: expected a whole number",
        ),
        ("max_parallel = 'overall=4'", "1: max_parallel: expected a whole number, found 'overall=4'"),
        ("a = ", "not valid TOML"),
        ("x = " + "[" * 5000, ""),
        ("workspace_root = 'here'", "1: workspace_root: here must be an absolute path"),
        ("adapters = 1", "1: adapters: expected tables"),
        ("[adapters]\nx = 1", "2: adapters.x: expected a table"),
        ("[adapters.'a/b']\ncommand = ['x']", "adapters.a/b: the name 'a/b' is not usable"),
        ("[adapters.x]\ncommand = 'x'", "2: adapters.x.command: expected a list, found text"),
        ("[adapters.x]\ncommand = []", "2: adapters.x.command: the list is empty"),
        ("[adapters.x]\ncomand = ['x']", "2: adapters.x.comand: unknown key (known: command, "),
        ("[adapters.x]\nname = 'x'", "2: adapters.x.name: unknown key"),
        ("[adapters.x]\nenv = ['A=B']", "2: adapters.x.env: 'A=B' is not the name of an environment"),
        ("[adapters.x]\nenv = ['CODENCER_LAUNCH']", "CODENCER_LAUNCH is set by the bridge itself"),
        ("[adapters.x]\nsuccess_exit_codes = []", "2: adapters.x.success_exit_codes: the list is empty"),
        ("[adapters.x]\nsuccess_exit_codes = [true]", "2: adapters.x.success_exit_codes: expected a whole"),
        ("[adapters.x]\nsuccess_exit_codes = [256]", "0 to 255"),
        ("[adapters.x]\nprompt = 'tty'", "2: adapters.x.prompt: expected one of stdin, argv, file"),
        ("[adapters.x]\nread = ['']", "2: adapters.x.read: a path is blank"),
    ],
)
def test_a_wrong_key_or_value_names_file_line_and_key(
    load_config: Load, user_file: Write, text: str, problem: str
) -> None:
    path = user_file(text + "\n")
    with pytest.raises(InvalidInput) as caught:
        load_config()
    assert str(caught.value).startswith(f"{path}:")
    assert problem in str(caught.value)


def test_max_parallel_as_a_table(load_config: Load, project_file: Write) -> None:
    project_file("[max_parallel]\noverall = 3\n")
    assert load_config().max_parallel == AtOnce(overall=3)
    project_file("max_parallel = {per_adapter = 2, per_run = 1}\n")
    found = load_config().max_parallel
    assert found == AtOnce(overall=max(2, len(os.sched_getaffinity(0))), per_adapter=2, per_run=1)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("5", AtOnce(overall=5)),
        ("overall=4,per_adapter=2", AtOnce(overall=4, per_adapter=2)),
        (" per_run = 1 , overall = 6 ", AtOnce(overall=6, per_run=1)),
    ],
)
def test_max_parallel_as_text_is_shown_as_text_that_means_the_same(
    load_config: Load, text: str, limits: AtOnce
) -> None:
    config = load_config(CODENCER_MAX_PARALLEL=text)
    assert config.max_parallel == limits
    shown = next(value for name, value, _ in show(config) if name == "max_parallel")
    assert load_config(CODENCER_MAX_PARALLEL=shown).max_parallel == limits


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("overall=4;per_run=2", "'4;per_run=2' is not a whole number"),
        ("overall=4,overall=2", "'overall' is given twice"),
        ("overall=4,", "'' is not a whole number"),
        ("all=4", "unknown key 'all' (known: overall, per_adapter, per_run)"),
        ("per_run=2000", "per_run: 2000 is out of range: from 1 to 1024"),
    ],
)
def test_max_parallel_as_text_that_is_wrong_says_so(load_config: Load, text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_config(CODENCER_MAX_PARALLEL=text)
    assert str(caught.value) == f"environment variable CODENCER_MAX_PARALLEL: {problem}"


@pytest.mark.parametrize("text", ["1", "true", "YES", "on", " On "])
def test_true_words(load_config: Load, text: str) -> None:
    assert load_config(ALL_ADAPTERS_SIMULATION_MODE=text).simulation is True
    config = load_config(CODEX_SIMULATION_MODE=text, OPENCLAW_ACPX_SIMULATION_MODE="off")
    assert config.simulates("codex")
    assert not config.simulates("openclaw-acpx")
    assert not config.simulation


@pytest.mark.parametrize("text", ["0", "false", "No", "off", ""])
def test_false_words(load_config: Load, text: str) -> None:
    assert load_config(ALL_ADAPTERS_SIMULATION_MODE=text).simulation is False
    assert not load_config(CODEX_SIMULATION_MODE=text).simulates("codex")


@pytest.mark.parametrize("text", ["2", "enabled", "y", "TRUE!"])
@pytest.mark.parametrize("name", ["ALL_ADAPTERS_SIMULATION_MODE", "CODEX_SIMULATION_MODE"])
def test_any_other_word_is_an_error(load_config: Load, name: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=f"environment variable {name}: .* is not a boolean"):
        load_config(**{name: text})


def test_simulation_from_the_newer_variable_wins(load_config: Load) -> None:
    config = load_config(ALL_ADAPTERS_SIMULATION_MODE="1", CODENCER_SIMULATION="0")
    assert not config.simulation


def test_binaries_know_whether_they_need_trust(load_config: Load, repository: Repository) -> None:
    path = repository.top / ".env"
    path.write_text("# codencer\nCODEX_BINARY=./evil\nQWEN_BINARY=./q\n")
    config = load_config(QWEN_BINARY="/usr/bin/qwen", OPENCLAW_ACPX_BINARY="acpx", CODENCER_PORT="1")
    codex, qwen = config.binary("codex"), config.binary("qwen")
    assert codex is not None
    assert (codex.path, codex.needs_trust, codex.origin) == ("./evil", True, f"{path}:2: CODEX_BINARY")
    assert qwen is not None
    assert (qwen.path, qwen.needs_trust) == ("/usr/bin/qwen", False)
    assert config.binary("openclaw-acpx") is not None
    assert config.binary("claude") is None


def test_adapter_tables(load_config: Load, user_file: Write, project_file: Write) -> None:
    user_file(
        '[adapters.fixer]\ncommand = ["mine"]\n[adapters.other]\ncommand = ["o", "-x"]\nprompt = "file"\n'
    )
    path = project_file(
        'default_adapter = "fixer"\n\n[adapters.fixer]\ncommand = ["./tools/fixer", "--yes"]\n'
        'env = ["FIXER_TOKEN"]\nsuccess_exit_codes = [0, 3]\nread = ["/opt"]\nwrite = ["cache"]\n'
    )
    config = load_config()
    fixer, other = config.adapters["fixer"], config.adapters["other"]
    assert (fixer.needs_trust, fixer.origin) == (True, f"{path}:3: adapters.fixer")
    assert fixer.settings.command == ("./tools/fixer", "--yes")
    assert fixer.settings.success_exit_codes == (0, 3)
    assert (other.needs_trust, other.settings.prompt) == (False, PromptChannel.FILE)
    assert config.default_adapter == "fixer"
    assert ("adapters.fixer", "./tools/fixer --yes", fixer.origin) in show(config)


def test_a_submission_reads_its_part_again_from_its_checkout(
    load_config: Load, repository: Repository, project_file: Write, tmp_path: Path
) -> None:
    project_file('port = 1\ndefault_adapter = "a"\n[adapters.a]\ncommand = ["a"]\n')
    config = load_config()
    elsewhere = tmp_path / "linked"
    shutil.copytree(repository.top / ".codencer", elsewhere / ".codencer")
    file = elsewhere / ".codencer" / "config.toml"
    file.write_text('port = 2\ndefault_adapter = "b"\n[adapters.b]\ncommand = ["b"]\n')
    later = for_checkout(config, elsewhere)
    assert (later.port, later.default_adapter, list(later.adapters)) == (1, "b", ["b"])
    assert later.origin("default_adapter") == f"{file}:2: default_adapter"
    file.unlink()
    later = for_checkout(config, elsewhere)
    assert (later.default_adapter, dict(later.adapters)) == (None, {})
    assert later.origin("default_adapter") == "default"


def test_a_flag_or_variable_outlasts_the_checkouts_file(load_config: Load, project_file: Write) -> None:
    config = load_config(CODENCER_DEFAULT_ADAPTER="mine")
    project_file('default_adapter = "theirs"')
    assert for_checkout(config, config.repository.top).default_adapter == "mine"


def test_a_wrong_file_is_an_error_at_submission(load_config: Load, project_file: Write) -> None:
    config = load_config()
    project_file("nonsense = 1")
    with pytest.raises(InvalidInput, match="nonsense: unknown key"):
        for_checkout(config, config.repository.top)


def test_paths_mean_the_same_in_every_folder(load_config: Load, repository: Repository) -> None:
    assert load_config(DB_PATH="state/x.db").db_path == repository.top / "state" / "x.db"
    assert load_config({"db_path": "/abs/x.db"}).db_path == Path("/abs/x.db")


def test_workspaces_never_lie_in_the_repository(load_config: Load, repository: Repository) -> None:
    for given in (".codencer/workspace", str(repository.top), str(repository.top / "x")):
        with pytest.raises(InvalidInput, match="inside the repository"):
            load_config(WORKSPACE_ROOT=given)


def test_unknown_flags_and_settings(load_config: Load) -> None:
    with pytest.raises(InvalidInput, match="--prot: unknown setting"):
        load_config({"prot": "1"})
    with pytest.raises(NotFound, match="no setting 'prot'"):
        load_config().origin("prot")


def test_a_fifo_in_place_of_a_file_is_refused_at_once(load_config: Load, repository: Repository) -> None:
    os.mkfifo(repository.top / ".env")
    with pytest.raises(InvalidInput, match="not a regular file"):
        load_config()


def test_where_to_start_looking(tmp_path: Path) -> None:
    assert start_folder(tmp_path, environ={}) == tmp_path
    assert start_folder(tmp_path, environ={"REPO_ROOT": "x"}) == tmp_path / "x"
    environ = {"REPO_ROOT": "/a", "CODENCER_REPO_ROOT": "/b"}
    assert start_folder(tmp_path, environ=environ) == Path("/b")
    assert start_folder(tmp_path, flags={"repo_root": "/c"}, environ=environ) == Path("/c")


def test_the_private_environment(load_config: Load, home: Path) -> None:
    config = load_config()
    assert config.private_environment() == {}
    path = home / ".config" / "codencer" / "env"
    path.parent.mkdir(parents=True)
    path.write_text('TOKEN=\'a b#c\'\nQUOTED="x\\n\\"y\\\\"\nBARE=a=b  # why\nEMPTY=\n')
    for mode in (0o644, 0o640, 0o602, 0o660):
        path.chmod(mode)
        with pytest.raises(Forbidden, match="chmod 600"):
            config.private_environment()
    path.chmod(0o600)
    assert config.private_environment() == {
        "TOKEN": "a b#c",
        "QUOTED": 'x\n"y\\',
        "BARE": "a=b",
        "EMPTY": "",
    }


def test_secrets_of_the_environment_are_not_in_the_repr(load_config: Load) -> None:
    assert "s3cret" not in repr(load_config(API_TOKEN="s3cret"))
