"""The workflows: deterministic generators over typed contracts, naming activities by name.

Importing this package registers every orchestrator on `blueprint`.
"""

from . import analysis, enrolment, montages, reviews
from .base import blueprint

__all__ = ["analysis", "blueprint", "enrolment", "montages", "reviews"]
