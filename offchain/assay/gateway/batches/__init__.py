"""Files, and batches of requests that run on idle capacity and survive the end of a gateway."""
