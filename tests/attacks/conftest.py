"""The house and the daemon that are attacked, and a far side that must not notice."""

from tests.api.conftest import make_api
from tests.flows.conftest import dns, faults_of_ours, house, make_house, mx
from tests.relay.daemon.conftest import daemon, make_daemon

__all__ = ["daemon", "dns", "faults_of_ours", "house", "make_api", "make_daemon", "make_house", "mx"]
