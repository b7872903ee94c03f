"""Which provider serves a request: what the caller wishes, what is known, and the choice."""
