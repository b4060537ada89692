"""What is wrong with this installation, and what to do about it.

Each check is a small function that is given what it needs and returns
findings: what was expected, what was found, what to do. `examination` puts
them together for a configuration; `finding` runs them side by side.
"""

from relay.doctor.examination import Patient, examine
from relay.doctor.finding import Finding, Grade

__all__ = ["Finding", "Grade", "Patient", "examine"]
