"""How seldom one letter follows another in Russian: what tells Russian from bytes that only look like letters."""

from __future__ import annotations

from typing import Final

RARE: Final = 9
"""The cost of a pair that Russian does not have."""
_LETTERS: Final = {letter: at for at, letter in enumerate("абвгдежзийклмнопрстуфхцчшщъыьэюя", 1)} | {"ё": 6}
# In steps of e: a row for the first letter, a column for the second, both begin with the space between words. Counted
# once over the 58,424 commonest words of the Russian list of wordfreq 3.1.1, weighted by the root of their frequency.
_COSTS: Final = tuple(
    bytes(map(int, row))
    for row in (
        "943343553373433323233445457888465",
        "274343443543232743325544455999743",
        "426587267295263282473858864436754",
        "228666285294363264344867657835884",
        "327664398295364172663887689989789",
        "327465246294453253463865659745774",
        "255343544634332552327655445999866",
        "425762179294772497583998599995979",
        "414343357394432373674997789735974",
        "245344353333333454327644356999843",
        "076774696894553577349775548999997",
        "328578376296375173433885879988789",
        "327856258295474278463879678942843",
        "125678288295543246483687798946675",
        "327654276294783286434675677825864",
        "273233444534333543236555456999765",
        "538888298395385151553887789945885",
        "426545257295644266443756658935764",
        "436475378392344335314656569753863",
        "226386297294563263363787688842865",
        "253443434663334633338646344999636",
        "327969297196366272443498899956779",
        "139468499397554293554879899897699",
        "327477298194697487684996989939879",
        "428799179293572585743889949994999",
        "429599199293363465643986999993779",
        "529999199199994896994999999995999",
        "499999199999999999999999999999951",
        "194354265624424944338927547999996",
        "195666394594942679249685647999944",
        "496454995942233943319357959999697",
        "163653754775554974429965362999959",
        "195454454755433864428945564999945",
    )
)


def cost(text: str) -> int:
    """How unlikely the text is as Russian words: the sum over its pairs of letters; other ASCII is a space."""
    total, last = 0, 0
    for character in text.lower():
        at = _LETTERS.get(character)
        if at is None:
            at = 0
            total += 0 if character.isascii() else RARE
        if at or last:
            total += _COSTS[last][at]
        last = at
    return total + (_COSTS[last][0] if last else 0)
