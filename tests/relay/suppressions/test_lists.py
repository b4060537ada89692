"""A list of suppressed addresses as a file: which lines are rows, and what each says."""

from datetime import UTC, datetime

import pytest

from relay.errors import InvalidInput
from relay.suppressions import lists
from relay.suppressions.lists import RowFault
from relay.suppressions.records import Wanted

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_lines_end_as_any_program_ends_them(end: str) -> None:
    text = end.join(["\ufeffaddress,reason", "a@far.example,bounce", "", '"b@far.example",', "c@"])
    rows = list(lists.read(text, NOW))
    assert [str(row.address) for row in rows] == ["a@far.example", "b@far.example", "c@"]
    assert lists.count(text) == 3
    fault = rows[-1]
    assert isinstance(fault, RowFault)
    assert fault.row == 5


def test_a_line_end_in_quotes_ends_no_row() -> None:
    (first, second) = lists.read('a@far.example,"x\r\ny"\r\nb@far.example\r\n', NOW)
    assert isinstance(first, RowFault)
    assert isinstance(second, Wanted)
    assert str(second.address) == "b@far.example"
    with pytest.raises(InvalidInput, match="is no CSV"):
        lists.count('a@far.example\r\n"b@far.example\r\n')
