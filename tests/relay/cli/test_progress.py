"""The line that tells how far long work has come."""

import pytest

from relay.cli.progress import Bar


def test_it_grows_and_goes_away(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar(enabled=True) as bar:
        bar.show("backup", 0, 0)
        bar.show("backup", 50, 100)
        bar.show("backup", 120, 100)

    begun, half, full, gone, end = capsys.readouterr().err.split("\r")[1:]
    assert begun == "backup …"
    assert half == "backup  [############............]   50 %"
    assert full == "backup  [########################]  100 %"
    assert gone.strip() == end == ""
    assert len(gone) == len(full)


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar(enabled=False) as bar:
        bar.show("backup", 1, 2)

    assert capsys.readouterr() == ("", "")
