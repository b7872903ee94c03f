"""The program of a model, the Merkle trace of a pass, and witnesses for any element of it."""
