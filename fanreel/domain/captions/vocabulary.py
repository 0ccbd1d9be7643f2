"""Every word that a caption may be made of; whatever is not here is not shown.

Chosen by what is seen of spectators and of a match, and so that no word names anybody or tells where they are
from, what they believe, whom they belong to, how old, well or good-looking they are, or what they do for a living.
So no hair, face, skin or beard; no head-dress of a religion, no uniform, no wheelchair; no kissing, praying or
fighting. What depends on what was measured (gender, age, mood) stands apart: `words` lets it in, and says as well
which words may stand beside each other.
"""

from fanreel.domain.clothing import BASIC


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


PEOPLE = _set("person people someone fan fans spectator spectators supporter supporters players team") | (
    _set("crowd group audience")
)
GROUPS = _set("crowd group audience")
"""What may be large or small."""
SUBJECTS = _set("man woman child")
"""Who a caption is about, once measured. Nobody else's gender or age was, so there are no plurals."""

BY_GENDER = {
    "female": _set("woman she her hers herself"),
    "male": _set("man he him his himself"),
    "undetermined": frozenset[str](),
}
BY_AGE = {"young": _set("young"), "older": _set("older"), "child": _set("child")}
BY_EXPRESSION = {"downcast": _set("downcast"), "tense": _set("tense"), "surprised": _set("surprised")}
EXCITED = _set("excited")

AGES = _set("young older")
MOODS = EXCITED.union(*BY_EXPRESSION.values())
POSSESSIVES = _set("his her their its")
PRONOUNS = _set("they them their it its")

COLOURS = frozenset(BASIC) | _set("gray")
SHADES = _set("dark light")
PATTERNS = _set("striped checked plaid")
SIZES = _set("large big small long wide closer extreme")
MODIFIERS = COLOURS | SHADES | PATTERNS | SIZES

COUNTS = _set("two three four five several many some few lots other another all both each")

FUNCTION = _set(
    "a an the and or while as who which is are has in on at of with by for to from into onto over behind "
    "beside near next between among amid around along across through during up down close front back side "
    "middle there"
)

ACTIONS = _set(
    "look looks looking watch watches watching stand standing sit sits sitting seated walk walks walking run runs "
    "running jump jumps jumping dance dances dancing lean leans leaning turn turns turning facing "
    "hold holds holding carry carries carrying wave waves waving raise raises raising raised lift lifts lifting "
    "point points pointing clap claps clapping applaud applauds applauding cheer cheers cheering celebrate "
    "celebrates celebrating smile smiles smiling laugh laughs laughing shout shouts shouting yell yells yelling "
    "scream screams screaming sing sings singing roar roars roaring talk talks talking hug hugs hugging "
    "wear wears wearing dressed crossed use uses using eat eats eating drink drinks drinking "
    "play plays playing make makes making break breaks breaking grow grows growing gather gathered "
    "gathering filled fill fills sound sounds swell swells attend attending enjoy enjoys enjoying calmly"
)
"""What people do at a match, and a crowd; nothing that would do harm if it were said of the wrong one."""

CLOTHES = _set(
    "shirt shirts jersey jerseys jacket jackets coat coats sweater sweatshirt hoodie vest suit tie dress shorts "
    "pants trousers jeans shoes socks gloves hat hats cap caps helmet scarf scarves glasses sunglasses clothes "
    "clothing outfit stripes"
)
THINGS = _set(
    "flag flags banner banners sign signs ball bat racket phone phones cell mobile camera cameras cup cups "
    "drum drums horn trumpet whistle trophy bag bags backpack umbrella umbrellas balloon balloons confetti ticket "
    "popcorn food drink drinks headphones microphone screen lights music noise applause"
)
PLACES = _set(
    "stadium arena stands seat seats row rows bench field pitch court grass goal net game match soccer football "
    "tennis baseball basketball hockey rugby sport sports event background foreground air distance rain sun sky "
    "night day fence railing rail wall stairs steps tunnel shot view close-up"
)
NOUNS = CLOTHES | THINGS | PLACES
"""What may have a colour."""

BODY = _set("hand hands arm arms fist fists head neck shoulder shoulders")
"""Said of whose they are and what they do, never how they look."""
BEFORE_BODY = POSSESSIVES | _set("both raised raising clapping waving")

ANYBODY = PEOPLE | PRONOUNS | MODIFIERS | COUNTS | FUNCTION | ACTIONS | NOUNS | BODY
"""What may be said whatever was measured."""
