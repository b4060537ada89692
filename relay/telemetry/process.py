"""What the process itself costs: CPU, memory, descriptors, by the names that dashboards know.

prometheus_client's own collector falls silent where the kernel's tables are
hidden (`ProcSubset=pid` in our unit); this one reads /proc/self alone.
"""

import os
import resource
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_SELF = Path("/proc/self")


class ProcessCosts(Collector):
    """CPU seconds since the start; resident octets, open and allowed descriptors at this moment."""

    def collect(self) -> Iterable[Metric]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        yield CounterMetricFamily("process_cpu_seconds", "CPU time", value=used.ru_utime + used.ru_stime)
        yield GaugeMetricFamily("process_max_fds", "Descriptors allowed", value=_allowed_descriptors())
        try:
            resident = int((_SELF / "statm").read_text().split()[1]) * resource.getpagesize()
            descriptors = len(os.listdir(_SELF / "fd"))
        except OSError:  # not Linux
            return
        yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory", value=resident)
        yield GaugeMetricFamily("process_open_fds", "Open descriptors", value=descriptors)


def _allowed_descriptors() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
