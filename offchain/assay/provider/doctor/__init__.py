"""What must hold before a provider serves: a list of checks, each with its remedy."""

from assay.provider.doctor import chain, machine, models
from assay.provider.doctor.checkup import Check, Subject, Verdict, examine, passes

LOOKS = (*chain.LOOKS, *models.LOOKS, *machine.LOOKS)

__all__ = ["LOOKS", "Check", "Subject", "Verdict", "examine", "passes"]
