"""Triggers: what starts work, and what clients call. Thin: parse, call one thing, answer."""

from . import api, results, reviews, uploads

blueprints = (uploads.blueprint, results.blueprint, api.blueprint, reviews.blueprint)

__all__ = ["api", "blueprints", "results", "reviews", "uploads"]
