"""A node's name comes back with its directory, and belongs to one process at a time."""

from pathlib import Path

from relay.store.node import NodeName


def test_a_name_comes_back(data_dir: Path) -> None:
    first = NodeName(data_dir, "mail.ours.test")
    first.release()
    again = NodeName(data_dir, "mail.ours.test")
    assert again.name == first.name
    assert again.name.startswith("mail.ours.test/")
    again.release()


def test_two_at_once_have_two_names(data_dir: Path) -> None:
    first, second = NodeName(data_dir, "mail.ours.test"), NodeName(data_dir, "mail.ours.test")
    assert first.name != second.name
    first.release()
    second.release()


def test_a_file_that_was_cut_off_gives_a_new_name(data_dir: Path) -> None:
    (data_dir / "node.id").write_text("")
    made = NodeName(data_dir, "a.test")
    made.release()
    assert len(made.name) > len("a.test/")
    assert (data_dir / "node.id").read_text().strip() == made.name.partition("/")[2]
