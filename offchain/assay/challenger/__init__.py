"""The challenger: recomputes claims and plays games against wrong ones."""
