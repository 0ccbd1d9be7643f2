"""Captions in plain words, from what was measured and nothing else.

facts       the few steps that words can tell apart, of one person in one clip
network     a captioning network's words, where they may be shown
motion      how a face moves up the picture
score       what scoreboards say, reduced to the score
sentences   facts → one English sentence
vocabulary  every word that a caption may be made of
words       which of them may stand beside each other, and be said of whom
"""

from .facts import ClipFacts, clip_facts, crowd_level
from .motion import rise
from .network import network_caption
from .score import score_spans
from .sentences import MAX_CHARACTERS, caption_clip, caption_opener
from .words import is_allowed

__all__ = [
    "MAX_CHARACTERS",
    "ClipFacts",
    "caption_clip",
    "caption_opener",
    "clip_facts",
    "crowd_level",
    "is_allowed",
    "network_caption",
    "rise",
    "score_spans",
]
