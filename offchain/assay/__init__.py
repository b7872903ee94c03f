"""Assay: exact, disputable LLM inference. `README.md` beside this file's folder names the parts."""

from importlib.metadata import version

__version__ = version("assay")
