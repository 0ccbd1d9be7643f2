"""Triggers: what starts work, and what clients call. Thin: parse, call one thing, answer."""

from . import api, montages, results, reviews, uploads

blueprints = (uploads.blueprint, results.blueprint, api.blueprint, reviews.blueprint, montages.blueprint)

__all__ = ["api", "blueprints", "montages", "results", "reviews", "uploads"]
