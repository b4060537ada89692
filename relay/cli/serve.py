"""`posthouse serve`: the daemon, until it is told to stop."""

import gc
import logging
from collections.abc import Callable

import click
import uvloop

from relay.cli.frame import Command, loaded_config
from relay.config import Config, load_config
from relay.control.server import control_server
from relay.daemon.process import ROLES, Role, run_station, serve_until_stopped
from relay.systemd import ServiceManager, inherit_sockets, watchdog_interval
from relay.telemetry.logs import set_up_logging

logger = logging.getLogger("posthouse")

# So many objects are made before the collector looks for cycles among them: a message makes hardly any.
YOUNG_OBJECTS = 20_000


def read_roles(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[Role, ...]:
    """The roles of a comma-separated list, in our order."""
    wanted = {name.strip() for name in value.split(",") if name.strip()}
    if unknown := wanted - set(ROLES):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(ROLES)}")
    return tuple(role for role in ROLES if role in wanted)


@click.command(cls=Command)
@click.option("--roles", default=",".join(ROLES), callback=read_roles, help="Which doors to open.")
def serve(roles: tuple[Role, ...]) -> None:
    """Run the relay and the inbound server until SIGTERM."""
    loaded = loaded_config()

    def load() -> Config:
        return load_config(loaded.file).config

    config = loaded.config
    set_up_logging(format=config.log.format, level=config.log.level)
    uvloop.run(_serve(config, roles, load))


async def _serve(config: Config, roles: tuple[Role, ...], load: Callable[[], Config]) -> None:
    manager = ServiceManager.from_environment()
    watchdog, inherited = watchdog_interval(), inherit_sockets()
    try:
        async with (
            run_station(
                config, roles=roles, inherited=inherited, manager=manager, watchdog=watchdog, load=load
            ) as running,
            control_server(running.station),
        ):
            _spare_the_collector()
            await serve_until_stopped(running)
    finally:
        inherited.close_untaken()
        manager.close()


def _spare_the_collector() -> None:
    """What stands after the start stays: from here on nobody looks through it for cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
