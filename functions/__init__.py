"""Triggers: what starts work, and what clients call. Thin: parse, call one thing, answer."""

from . import api, results, uploads

blueprints = (uploads.blueprint, results.blueprint, api.blueprint)

__all__ = ["api", "blueprints", "results", "uploads"]
