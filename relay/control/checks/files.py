"""Every large body is where its row says: in a file, or in object storage."""

import asyncio
from collections.abc import Mapping, Sequence

from relay.control.checks.report import Report
from relay.control.context import Context
from relay.errors import StoreUnavailable
from relay.store.bodies import IN_OBJECTS, BodyShelf
from relay.store.database import Reader, Row


async def check_files(context: Context, report: Report) -> None:
    """The files of large bodies, by name and size."""
    if context.db.engine == "postgresql":  # large bodies are rows there, which `integrity` looks at
        return
    shelf = context.station.shelf
    # The files first: one that is there and named by no row was dropped by nobody since.
    present = await asyncio.to_thread(lambda: set(shelf.names()))
    rows = await _kept(context.db, "not like")
    sizes = await asyncio.to_thread(lambda: {row["file"]: _size(shelf, row["file"]) for row in rows})
    report.add(await _differing(context.db, rows, sizes, "body file"))
    if orphans := sorted(present - set(sizes)):
        report.notes.append(
            f"{len(orphans)} body files without a message, such as {orphans[0]}; they are swept after an hour"
        )


async def check_objects(context: Context, report: Report) -> None:
    """Those in object storage, by name and size."""
    rows = await _kept(context.db, "like")
    if not rows:
        return
    try:
        sizes = await context.station.shelf.sizes_elsewhere()
    except StoreUnavailable as trouble:
        report.add([f"{len(rows)} bodies in object storage could not be looked at: {trouble}"])
    else:
        report.add(await _differing(context.db, rows, sizes, "object"))


async def _kept(reader: Reader, like: str) -> Sequence[Row]:
    """The bodies that stand in object storage, or those that do not."""
    return await reader.fetch_all(
        "select c.body_file as file, m.id as id, m.body_size as size from contents c"  # noqa: S608
        " join messages m on m.id = c.message_id"
        f" where c.body_file is not null and c.body_file {like} '{IN_OBJECTS}%'"
    )


async def _differing(
    reader: Reader, rows: Sequence[Row], sizes: Mapping[str, int | None], what: str
) -> list[str]:
    found = []
    for row in rows:
        size = sizes.get(row["file"])
        if size is None and await _still_names(reader, row["id"], row["file"]):
            found.append(f"message {row['id']}: its {what} {row['file']} is missing")
        elif size is not None and size != row["size"]:
            found.append(
                f"message {row['id']}: {what} {row['file']} has {size} octets instead of {row['size']}"
            )
    return found


def _size(shelf: BodyShelf, name: str) -> int | None:
    """None for a file that is not there, and for a name that is none of ours."""
    try:
        return shelf.path(name).stat().st_size
    except (FileNotFoundError, ValueError):
        return None


async def _still_names(reader: Reader, message_id: str, file: str) -> bool:
    """Retention may have purged the row since it was read."""
    row = await reader.fetch_one("select body_file from contents where message_id = $1", message_id)
    return row is not None and row["body_file"] == file
