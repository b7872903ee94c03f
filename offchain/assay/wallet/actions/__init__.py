"""One function per action: reads, checks, and returns the plan or the report."""
