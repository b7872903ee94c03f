"""The books: whether what a gateway metered, what was claimed and what was paid add up."""
