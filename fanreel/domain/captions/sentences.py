"""Facts → one English sentence, that says no more than they do."""

from fanreel.contracts import Shot
from fanreel.domain.captions.facts import HEARD_FROM, ClipFacts

MAX_CHARACTERS = 110
"""Two lines of a lower third, or of a subtitle (42 to 55 characters a line is what broadcasters use)."""

CROWD_UP_FROM = HEARD_FROM

_NOISE = {
    "none": "",
    "roar": "as the crowd roars",
    "applause": "as the crowd applauds",
    "whistle": "as a whistle sounds",
    "music": "as music plays",
    "noise": "as the noise swells",
}
_NOISE_IN_CROWD = {**_NOISE, "roar": "amid a roar", "applause": "amid applause"}
"""The same after somebody "in the crowd": the word stands once in a sentence."""
_COMPANY = {
    "unseen": "",
    "one": "with someone beside {them}",
    "several": "with people beside {them}",
    "many": "with people all around {them}",
}
_PRONOUN = {"female": "her", "male": "him", "undetermined": "them"}
_AGE = {"young": "young", "older": "older"}
_NOUN = {"female": "woman", "male": "man", "undetermined": "person"}
_VIEW = {"close_up": "in close-up", "extreme_close_up": "in extreme close-up", "wide": "in a wide shot"}
_WIDE_TYPES = ("wide", "medium_wide")


def caption_clip(facts: ClipFacts) -> str:
    """Return what the clip shows, at most MAX_CHARACTERS long: what tells least is left out first."""
    who, does = _subject(facts), _action(facts)
    them = "them" if facts.age_group == "child" else _PRONOUN[facts.gender]
    noise = (_NOISE_IN_CROWD if who.endswith("crowd") else _NOISE)[facts.noise]
    score = f"at {facts.score}" if facts.score else ""
    company = _COMPANY[facts.company].format(them=them)
    view = _VIEW.get(facts.shot_type, "")
    for extras in (
        (view, noise, score, company),
        ("", noise, score, company),
        ("", noise, score, ""),
        ("", noise, "", ""),
    ):
        sentence = _sentence(who, does, *extras)
        if len(sentence) <= MAX_CHARACTERS:
            return sentence
    return _sentence(who, does, "", "", "", "")


def caption_opener(shot: Shot, crowd: float) -> str:
    """Return what a shot of the match itself shows; `crowd` is how much the crowd is up in it, 0..1."""
    up = crowd >= CROWD_UP_FROM
    if shot.kind == "crowd":
        return "A wide shot of the crowd as it roars." if up else "A wide shot of the crowd."
    if shot.kind == "play":
        view = "A wide shot" if shot.shot_type in (*_WIDE_TYPES, "none") else "A closer shot"
        what = f"{view} of the game"
    else:
        what = "A view of the match"
    return f"{what} as the crowd roars." if up else f"{what}."


def _sentence(who: str, does: str, view: str, noise: str, score: str, company: str) -> str:
    opening = f"{view}, {who}" if view else who
    text = " ".join(part for part in (opening, does, score, noise) if part)
    text = f"{text}, {company}" if company else text
    return f"{text[0].upper()}{text[1:]}."


def _subject(facts: ClipFacts) -> str:
    age = _AGE.get(facts.age_group, "")
    noun = "child" if facts.age_group == "child" else _NOUN[facts.gender]
    worn = f"in {facts.clothing}" if facts.clothing else ""
    if facts.in_crowd and noun == "person" and not age and not worn:
        return "someone in the crowd"
    described = " ".join(part for part in (age, noun, worn) if part)
    return f"{'an' if described[0] in 'aeiou' else 'a'} {described}"


def _action(facts: ClipFacts) -> str:
    glad = facts.expression in ("smiling", "surprised")
    if facts.motion == "jumping":
        return "jumps up cheering" if glad and facts.excited else "jumps up"
    if facts.expression == "downcast":
        return "looks downcast"
    if facts.expression == "tense":
        return "looks tense"
    if glad and facts.excited:
        return "breaks into a cheer" if facts.rising else "cheers"
    if facts.expression == "smiling":
        return "breaks into a smile" if facts.rising else "smiles"
    if facts.expression == "surprised":
        return "looks surprised"
    if facts.rising or facts.excited:
        return "grows excited" if facts.rising else "looks excited"
    return "looks on calmly" if facts.motion == "still" else "looks on"
