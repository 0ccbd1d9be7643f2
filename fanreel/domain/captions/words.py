"""What a caption may never say, whoever wrote it: who somebody is, where they are from, whom they belong to.

Looks do not tell any of this, and a guess printed under a stranger's face does harm. The lists are of English word
stems as captions use them; `is_allowed` is asked of every sentence before it is shown, of our own in tests only.
"""

import re

from fanreel.domain.attributes import Gender

_RELATIONSHIPS = (
    "friend boyfriend girlfriend mate buddy pal companion couple partner lover wife husband spouse bride groom "
    "fiance fiancee married dating family families mother father mom mum mommy mummy dad daddy parent son "
    "daughter brother sister sibling twin grandmother grandfather grandma grandpa grandparent granny grandson "
    "granddaughter uncle aunt nephew niece cousin relative relationship stepson stepfather stepmother "
    "teammate colleague"
)
_ORIGINS = (
    "race racial ethnic ethnicity caucasian asian african arab arabic hispanic latino latina latin european "
    "indian chinese japanese korean american mexican brazilian english british scottish irish welsh french german "
    "italian spanish dutch turkish russian polish jewish jew muslim islamic christian hindu sikh buddhist gypsy "
    "native immigrant foreigner foreign oriental skin complexion skinned"
)
_JUDGEMENTS = (
    "beautiful pretty handsome ugly attractive sexy hot fat obese overweight skinny chubby drunk gay lesbian "
    "straight transgender disabled crippled blind pregnant crazy insane stupid bald poor rich wealthy homeless "
    "naked nude topless"
)
_GENDERED_CHILDREN = "boy girl lad lass baby infant toddler schoolboy schoolgirl"
"""A child's gender is never told, and `girl` is what many captions call a woman."""

_PEOPLE = (
    "man woman men women boy girl person people child children guy lady ladies male female fan fans crowd kid "
    "player players"
)
_ANYBODY = "|".join(_PEOPLE.split())
_WOMAN = "woman women lady ladies female she her hers herself"
_MAN = "man men guy gentleman male he him his himself"


def _whole(words: str) -> re.Pattern[str]:
    """Match any of the words, singular or plural, as a whole."""
    return re.compile(rf"\b(?:{'|'.join(words.split())})(?:s|es|'s)?\b", re.IGNORECASE)


FORBIDDEN = (
    _whole(" ".join((_RELATIONSHIPS, _ORIGINS, _JUDGEMENTS, _GENDERED_CHILDREN))),
    # The colour of a shirt may be told, that of a person not.
    re.compile(rf"\b(?:black|white|brown|yellow|red)\s+(?:\w+\s+)?(?:{_ANYBODY})\b", re.IGNORECASE),
    re.compile(r"\b(?:named|called|known as|aged \d|years? old|\d+-year)\b", re.IGNORECASE),
)
_SAYS = {"female": _whole(_WOMAN), "male": _whole(_MAN)}


def is_allowed(text: str, gender: Gender = "undetermined") -> bool:
    """Tell whether a caption keeps to what may be said; no other gender than the measured one may be."""
    if any(pattern.search(text) for pattern in FORBIDDEN):
        return False
    return not any(said.search(text) for name, said in _SAYS.items() if name != gender)
