"""Launch folders are found by their number, whatever else lies beside them."""

from pathlib import Path

from codencer.engine.layout import Layout


def test_launches_in_order_without_what_a_killed_daemon_left(tmp_path: Path) -> None:
    layout = Layout(state=tmp_path, artifacts=tmp_path, workspaces=tmp_path, trash=tmp_path)
    folder = layout.attempt_folder("att_1")
    for name in ("agent-10", "agent-9", "validation-1-2", "index-take-x_9z", "exchange"):
        (folder / name).mkdir(parents=True)
    assert [each.name for each in layout.launches("att_1", "*")] == ["validation-1-2", "agent-9", "agent-10"]
    assert [each.name for each in layout.launches("att_1", "agent")] == ["agent-9", "agent-10"]
    assert layout.launches("att_2", "agent") == []
