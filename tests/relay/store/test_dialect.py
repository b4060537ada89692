"""One SQL text for two engines: what the macros become."""

import pytest

from relay.store.dialect import POSTGRES, SQLITE, expand
from relay.store.sqlite import SqliteDatabase


@pytest.mark.parametrize(
    ("sql", "sqlite", "postgres"),
    [
        ("select 1 {lock}", "select 1 ", "select 1 for update skip locked"),
        (
            "select value from {each:$1}",
            "select value from json_each($1)",
            "select value from json_array_elements_text($1::text::json) as each(value)",
        ),
        (
            "{json_text:data, kind}",
            "cast(json_extract(data, '$.\"kind\"') as text)",
            "(data::json ->> 'kind')",
        ),
        (
            "select id from {rows:$1, id bigint, word text}",
            "select id from (select json_extract(value, '$.id') as id, json_extract(value, '$.word') as word"
            " from json_each($1)) as each",
            "select id from json_to_recordset($1::text::json) as each(id bigint, word text)",
        ),
        ("a {bigint}, b {blob}, c {json}", "a integer, b blob, c text", "a bigint, b bytea, c text"),
        ("default '{}'", "default '{}'", "default '{}'"),
    ],
)
def test_macros(sql: str, sqlite: str, postgres: str) -> None:
    assert expand(sql, SQLITE).text == sqlite
    assert expand(sql, POSTGRES).text == postgres


def test_an_unknown_macro_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no such SQL macro: \{locked\}"):
        expand("select 1 {locked}", SQLITE)


def test_places_are_counted() -> None:
    assert expand("select $1, $2, $10, $2", SQLITE).places == 10


async def test_places_above_nine_and_repeated_ones_bind(db: SqliteDatabase) -> None:
    row = await db.fetch_one(
        "select $10 as ten, $1 as one, $1 as again, $2, $3, $4, $5, $6, $7, $8, $9", *range(1, 11)
    )
    assert row is not None
    assert (row["ten"], row["one"], row["again"]) == (10, 1, 1)


async def test_json_macros_run(db: SqliteDatabase) -> None:
    rows = await db.fetch_all("select value from {each:$1} order by value", '["b", "a"]')
    assert [row["value"] for row in rows] == ["a", "b"]
    row = await db.fetch_one(
        "select {json_text:data,a} as a, {json_text:data,b} as b, {json_text:data,no} as no"
        " from (select $1 as data)",
        '{"a": "x", "b": 7}',
    )
    assert row is not None
    assert (row["a"], row["b"], row["no"]) == ("x", "7", None)


async def test_serial_numbers_are_not_given_twice(db: SqliteDatabase) -> None:
    insert = "insert into events (id, tenant_id, kind, at, data) values ($1, 'ten_default', 'k', 0, '{}')"
    await db.transact(lambda tx: tx.execute(insert, "evt_1"))
    await db.transact(lambda tx: tx.execute("delete from events"))
    await db.transact(lambda tx: tx.execute(insert, "evt_2"))
    row = await db.fetch_one("select seq from events")
    assert row is not None
    assert row["seq"] == 2
