"""posthouse cluster, and store move, as they are typed."""

from tests.fakes.postgres import PostgresServer
from tests.relay.cli.line import Line


def test_on_sqlite_there_is_one_node(house: Line) -> None:
    printed = house.does("cluster", "status")
    assert printed.startswith("SQLite: one node has this store\n")
    assert "mail.example.test" in printed
    found = house.json("cluster", "status")
    assert (found["engine"], found["oldest_transaction"]) == ("sqlite", None)
    assert [each["status"] for each in found["nodes"]] == ["stopped"]


def test_the_only_node_is_not_drained(house: Line) -> None:
    assert "stop the service instead" in house.fails("cluster", "drain", "mail.example.test", code=2)


def test_what_waits_and_for_how_long_is_told(house: Line) -> None:
    house.does("send", "--from", "app@example.test", "--to", "bob@far.test", "--text", "hello")
    assert house.json("cluster", "status")["lag"]["oldest_due_at"] is not None
    assert "oldest due" in house.does("cluster", "status")


def test_a_moved_store_goes_on_at_the_server(house: Line, postgres_server: PostgresServer) -> None:
    house.does("send", "--from", "app@example.test", "--to", "bob@far.test", "--text", "hello")
    url = postgres_server.empty_database()
    try:
        printed = house.does("store", "move", "--to", url)
        assert "each compared" in printed
        assert "now set store.url" in printed
        assert "was moved to PostgreSQL" in house.fails("queue", "list")
        assert "has been moved already" in house.fails("store", "move", "--to", url)

        house.config.write_text(house.config.read_text().replace("[store]", f'[store]\nurl = "{url}"'))
        assert house.json("queue", "list")[0]["address"] == "bob@far.test"
        assert "no node" in house.fails("cluster", "resume", "mail")
        assert "already" in house.fails("store", "move", "--to", url, code=2)
    finally:
        postgres_server.drop(url)
