"""Why there is no verdict."""

from __future__ import annotations


class VerifierError(Exception):
    """Base: nothing can be said of the claim; the message says what is missing or wrong."""


class Malformed(VerifierError):
    """A file cannot be read, or its program means nothing."""


class OtherClaim(VerifierError):
    """Prompt, output, job, receipt or model are not those of one claim: they prove nothing."""
