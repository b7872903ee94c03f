"""Types, hashes, encodings, errors and settings: what every other package speaks."""
