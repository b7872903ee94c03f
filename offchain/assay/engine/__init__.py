"""Checkpoint import, quantisation and exact inference in torch."""

import os

# libgomp's threads spin while they wait. Several processes with more threads than cores between
# them (a provider and a challenger on one small machine) then slow each other down tenfold, so
# here they sleep. Read when torch is loaded, and left alone if it is set.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
