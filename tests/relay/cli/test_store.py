"""backup, restore and verify of a store without a daemon."""

import sqlite3
import stat

from tests.relay.cli.line import Line


def send(line: Line, text: str = "hello") -> str:
    sent = line.json("send", "--from", "app@example.test", "--to", "bob@far.test", "--text", text)
    return str(sent["id"])


def test_restored_mail_comes_back_held(house: Line) -> None:
    message = send(house, "x" * 200_000)
    made = house.json("backup", "b.tar")
    assert (made["bodies"], made["file"]) == (1, str(house.config.parent / "b.tar"))
    assert stat.S_IMODE((house.config.parent / "b.tar").stat().st_mode) == 0o600
    house.does("queue", "cancel", message)

    done = house.json("restore", "b.tar", "--replace")

    assert done["held"] == 1
    [recipient] = house.json("queue", "list")
    assert (recipient["status"], recipient["reason"]) == ("held", "restored")
    assert house.json("explain", message)["events"][-1]["data"]["reason"] == "restored"
    assert house.json("verify")["whole"] is True
    assert house.json("queue", "release", message)["recipients"][0]["status"] == "queued"


def test_a_store_that_is_there_is_not_overwritten(house: Line) -> None:
    house.does("backup", "b.tar")

    assert "there is a store" in house.fails("restore", "b.tar")
    house.does("restore", "b.tar", "--replace")
    assert len(list(house.data_dir.glob("posthouse.db.replaced-*"))) == 1


def test_a_backup_that_is_none_restores_nothing(house: Line) -> None:
    before = house.json("domain", "show", "example.test")
    (house.config.parent / "no.tar").write_bytes(b"not a backup")

    assert "not a whole backup" in house.fails("restore", "no.tar", "--replace")
    assert "no backup" in house.fails("restore", "missing.tar", "--replace")
    assert house.json("domain", "show", "example.test") == before


def test_a_backup_goes_into_a_new_directory(house: Line, line: Line) -> None:
    message = send(house)
    house.does("backup", "b.tar")
    elsewhere = house.config.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "config.toml").write_text(house.config.read_text())
    other = Line(elsewhere / "config.toml")

    other.does("restore", str(house.config.parent / "b.tar"))

    assert other.json("queue", "show", message)["status"] == "held"


def test_a_backup_that_cannot_be_written_says_where(house: Line) -> None:
    assert "/nowhere/b.tar" in house.fails("backup", "/nowhere/b.tar")


def test_only_a_backup_is_replaced_by_a_backup(house: Line) -> None:
    house.does("backup", "b.tar")
    house.does("backup", "b.tar")

    assert "is no backup" in house.fails("backup", "config.toml")
    assert "is no backup" in house.fails("backup", "data/posthouse.db")
    house.fails("backup", "data", code=2)
    assert house.json("verify")["whole"] is True


def test_verify_proves_a_store_whole_and_exits_1_when_it_is_not(house: Line) -> None:
    message = send(house, "x" * 200_000)
    assert "the store is whole" in house.does("verify")
    [body] = (house.data_dir / "bodies").glob("*/*")
    body.unlink()

    result = house.types("verify")

    assert result.exit_code == 1
    assert f"wrong: message {message}: its body file" in result.output


def test_a_damaged_file_is_told_and_left_alone(house: Line) -> None:
    file = house.data_dir / "posthouse.db"
    with sqlite3.connect(file) as store:
        (pages,) = store.execute("pragma page_count").fetchone()
    store.close()
    damaged = bytearray(file.read_bytes())
    size = len(damaged) // pages
    damaged[5 * size : 9 * size] = b"\xff" * (4 * size)
    file.write_bytes(damaged)

    result = house.types("verify")

    assert result.exit_code == 1
    assert "Traceback" not in result.output
