"""The proof that a store is whole: what must be true between its tables, its files and its log.

Every check reads what was committed at one instant, so it can run beside a
daemon. The SQL stands here because it looks across rooms; it only reads.
"""

from collections.abc import Mapping

from relay.control.checks.bodies import check_bodies, check_hashes, check_messages
from relay.control.checks.files import check_files, check_objects
from relay.control.checks.letters import check_index, check_letters, check_webhooks
from relay.control.checks.queue import check_allowances, check_cursors, check_history, check_recipients
from relay.control.checks.report import Check, Report
from relay.control.context import Context
from relay.store.faults import StoreFault

__all__ = ["Report", "check_store"]


async def check_store(context: Context) -> Report:
    """Run every check; where the engine cannot read what it keeps, the rest is not looked at."""
    report = Report()
    for place, (name, check) in enumerate(_CHECKS.items()):
        context.progress(name, place, len(_CHECKS))
        try:
            await check(context, report)
        except StoreFault as fault:
            report.problems.append(f"{name}: not looked at any further: {fault}")
            break
    context.progress("done", len(_CHECKS), len(_CHECKS))
    return report


async def _check_engine(context: Context, report: Report) -> None:
    report.add(await context.db.integrity())


_CHECKS: Mapping[str, Check] = {
    "file": _check_engine,
    "messages": check_messages,
    "bodies": check_bodies,
    "body files": check_files,
    "objects": check_objects,
    "recipients": check_recipients,
    "history": check_history,
    "allowances": check_allowances,
    "cursors": check_cursors,
    "letters": check_letters,
    "search and labels": check_index,
    "webhooks": check_webhooks,
    "hashes": check_hashes,
}
