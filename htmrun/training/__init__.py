"""One job: a schedule, a loop, its measures, its checkpoint; it yields records."""
