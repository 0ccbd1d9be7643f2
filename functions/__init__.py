"""Triggers: what starts work, and what clients call. Thin: parse, call one thing, answer."""

from . import api, highlights, montages, results, reviews, uploads

blueprints = (
    uploads.blueprint,
    results.blueprint,
    api.blueprint,
    reviews.blueprint,
    montages.blueprint,
    highlights.blueprint,
)

__all__ = ["api", "blueprints", "highlights", "montages", "results", "reviews", "uploads"]
