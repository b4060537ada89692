"""How large a template may be, and how much it may do."""

SOURCE = 262_144  # characters of each part
SUBJECT = 2_000
OUTPUT = 2 * 1024 * 1024  # octets of each part, rendered
LOOPS = 10_000  # turns of a loop, those of the loops around it multiplied
NESTING = 20  # blocks in one another
NAMESPACE = 1024 * 1024  # octets that are assigned and captured
VARIABLES = 1_048_576  # octets of the variables, as JSON

CPU_SECONDS = 1.0  # for one message
WALL_SECONDS = 10.0  # for one turn of a child, its start included
MEMORY = 320 * 1024 * 1024  # octets of a child's address space

TEMPLATES = 1_000  # of a tenant
VERSIONS = 100  # of a template; older ones go
