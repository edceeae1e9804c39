"""What each column of a table is: said by whoever sends it, told by the column's name, or proposed.

Files come from Excel, from 1C, from a CRM, with the names that people give there. A name that is known stands for one
field of a client, or for an attribute. Any other name becomes the name of an attribute that may be proposed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import count
from typing import Final, NamedTuple

from common.attribute_cells import is_attribute_name
from common.error_codes import ErrorCode, Unfit
from gateway.tables.row_text import COLUMNS

IGNORE: Final = "ignore"
ATTRIBUTE_PREFIX: Final = "attributes."
REASON: Final = "import_error"
"""The column of a file of rejected rows that says why; it is ignored when the file comes back."""

MAP_ENTRIES_MAX: Final = 500
ATTRIBUTES_MAX: Final = 50
"""Of a client, as in ``engine.domain.attributes``; a test says that both are the same."""
_ATTRIBUTE_LENGTH_MAX: Final = 32
_NO_ATTRIBUTES: Final = frozenset({"id", *COLUMNS})
_NAME_CHARACTERS_MAX: Final = 200
"""More of a column's name tells nothing."""
_HEADERS_SHOWN: Final = 30

_KNOWN: Final[Mapping[str, Sequence[str]]] = {
    "phone_number": (
        "мобильный телефон", "номер мобильного телефона", "мобильный номер", "мобильный", "моб телефон", "моб тел",
        "сотовый телефон", "сотовый", "mobile phone number", "mobile phone", "mobile number", "mobile", "cell phone",
        "cell", "cellphone", "номер телефона", "телефон", "телефон клиента", "контактный телефон", "тел",
        "phone number", "phone", "phonenumber", "telephone", "tel", "msisdn", "номер", "number",
    ),
    "tag": ("тег", "тэг", "метка", "сегмент", "группа", "tag", "label", "segment", "group"),
    "time_zone": (
        "часовой пояс", "таймзона", "тайм зона", "временная зона", "часовая зона", "time zone", "timezone", "tz",
        "utc offset", "utc", "gmt", "смещение utc", "пояс",
    ),
    "phone_code": (
        "код оператора", "def код", "код def", "def", "код телефона", "operator code", "phone code", "dialling code",
    ),
    "reason": ("причина",),
    "note": ("заметка", "комментарий", "примечание", "comment", "comments"),
    "source": ("источник",),
    "language": ("язык", "язык клиента", "language", "lang", "locale", "локаль"),
    "attributes.name": ("имя", "имя клиента", "name", "first name", "firstname", "given name"),
    "attributes.last_name": ("фамилия", "last name", "lastname", "surname", "family name"),
    "attributes.full_name": ("фио", "ф и о", "полное имя", "full name", "fullname"),
    "attributes.patronymic": ("отчество", "patronymic", "middle name"),
    "attributes.city": ("город", "город проживания", "населенный пункт", "city", "town"),
    "attributes.region": ("регион", "область", "region"),
    "attributes.email": ("почта", "электронная почта", "эл почта", "email", "e mail", "mail"),
    "attributes.birthday": ("дата рождения", "день рождения", "birthday", "birth date", "date of birth"),
    "attributes.gender": ("пол", "gender", "sex"),
}  # fmt: skip
"""Names that stand for one thing; of two columns that could be the same, the name that stands first is it."""
_FIELD_OF: Final = {name: (field, rank) for field, names in _KNOWN.items() for rank, name in enumerate(names)}
_PHONE_WORD: Final = re.compile(r"\b(?:телефон|мобильн|сотов|phone|mobile)")
"""``Телефон (моб.)``, ``Phone 2``."""
_PHONE_WORD_RANK: Final = 100
_REASONS: Final = frozenset({"import error", "что не так", "what is wrong"})

_LATIN: Final = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "zh", "з": "z", "и": "i", "й": "y", "к": "k",
        "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh",
        "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
    }
)  # fmt: skip


class Unknown(Enum):
    """What becomes of a column whose name is not known and of which nothing is said."""

    REFUSE = 0
    IGNORE = 1
    PROPOSE = 2
    """It becomes an attribute with a name made of the column's, if a client can have one more."""


class Column(NamedTuple):
    """One column of a table."""

    header: str
    """Its name as it stands in the file."""
    field: str
    """A field of the row, ``attributes.NAME``, or ``IGNORE``."""


class Plan(NamedTuple):
    """What is said of a table's columns before its header is seen."""

    said: Mapping[str, str] = {}
    """Fields by the columns' names, as ``parse_map`` returns them."""
    unknown: Unknown = Unknown.REFUSE
    fields: Sequence[str] = COLUMNS
    """What the rows are made of."""
    attributes: frozenset[str] | None = frozenset()
    """Columns of these names are attributes; None: all that are nothing else."""
    numbers_as_text: bool = False
    """A plain number in an attribute's cell stays a text."""
    ignores_rest: bool = False
    """A column of which nothing is said is ignored, even if its name is known: whoever says so has seen all columns."""

    @property
    def is_seen(self) -> bool:
        """Somebody looks at the columns before anything is stored, or has done so: each must have a name of its own."""
        return self.unknown is Unknown.PROPOSE or self.ignores_rest


def parse_map(entries: Iterable[str]) -> dict[str, str]:
    """Read what is said of columns: each entry is ``Header=field``.

    Returns:
        Fields by names as ``folded`` returns them.

    Raises:
        Unfit: an entry is none, names no field, or speaks of a column for the second time.
    """
    found: dict[str, str] = {}
    for entry in entries:
        header, sign, field = entry.rpartition("=")
        header, field = folded(header), field.strip()
        if not (sign and header and _is_field(field)):
            raise Unfit(ErrorCode.NOT_COLUMN_MAP.format(choices=", ".join(COLUMNS)))
        if header in found:
            raise Unfit(ErrorCode.COLUMN_MAPPED_TWICE.format(name=shown(header)))
        found[header] = field
    return found


def plan_of(entries: Sequence[str]) -> Plan:
    """A plan for programs: who says something of columns has chosen, so those that are not known are ignored.

    Raises:
        Unfit: see ``parse_map``.
    """
    return Plan(parse_map(entries), Unknown.IGNORE) if entries else Plan()


def _is_field(field: str) -> bool:
    return field in COLUMNS or field == IGNORE or is_attribute(field)


def is_attribute(field: str) -> bool:
    """Whether it is ``attributes.NAME``."""
    name = field.removeprefix(ATTRIBUTE_PREFIX)
    return name != field and is_attribute_name(name)


def columns_of(headers: Sequence[str], plan: Plan, line: int = 1) -> list[Column]:
    """Say what the columns of a table are.

    Args:
        line: where the header is.

    Raises:
        Unfit: a column is not known, is there twice, or is spoken of and not there.
    """
    headers = _told_apart(headers, plan)
    names = [folded(header) for header in headers]
    for name in plan.said:
        if name not in names:
            raise Unfit(ErrorCode.COLUMN_NOT_THERE.format(line=line, name=shown(name), columns=_listed(headers)))
    fields = known_fields(headers, plan)
    used = {field.removeprefix(ATTRIBUTE_PREFIX) for field in fields if field not in (None, IGNORE)}
    columns = []
    for header, name, known in zip(headers, names, fields, strict=True):
        field = known or _of_unknown(header, name, plan, used, line)
        used |= {field.removeprefix(ATTRIBUTE_PREFIX)} - {IGNORE}
        columns.append(Column(header, field))
    _check_twice(columns, line)
    return columns


def _told_apart(headers: Sequence[str], plan: Plan) -> list[str]:
    """The columns' names: the second of two that are called the same is ``Name (2)``, where people see them or where
    something is said of it. Elsewhere nobody could tell which of the two is meant."""
    taken, found = {folded(header) for header in headers}, list[str]()
    seen: set[str] = set()
    for header in headers:
        name = folded(header)
        if name and name in seen:
            short = header.strip()[: _NAME_CHARACTERS_MAX // 2]  # else the number would be cut off
            other = next(each for n in count(2) if folded(each := f"{short} ({n})") not in taken)
            if plan.is_seen or folded(other) in plan.said:
                header = other
        seen.add(name)
        taken.add(folded(header))
        found.append(header)
    return found


def _listed(headers: Sequence[str]) -> str:
    there = [shown(header.strip()) for header in headers if header.strip()]
    return ", ".join([*there[:_HEADERS_SHOWN], *(["…"] if len(there) > _HEADERS_SHOWN else [])])


def known_fields(headers: Sequence[str], plan: Plan) -> list[str | None]:
    """The field of each column by what is said of it or by its name; two may have the same. None: it is not known."""
    names = [folded(header) for header in headers]
    fields: list[str | None] = [
        plan.said.get(name) or (IGNORE if plan.ignores_rest else _exact(name, plan.fields) or _chosen(header, plan))
        for name, header in zip(names, headers, strict=True)
    ]
    takes_attributes = plan.unknown is not Unknown.REFUSE or plan.attributes is None
    for field, places in _guessed(names, fields).items():
        if field in plan.fields or (takes_attributes and is_attribute(field)):
            # Rows of the stop list have no attributes: it does not matter to them that one is there twice.
            is_taken = field in plan.fields or plan.fields == COLUMNS
            for at in places if is_taken else places[:1]:
                fields[at] = field
    return fields


def is_named_surely(field: str, headers: Sequence[str], plan: Plan) -> bool:
    """Whether some column is this field by what is said of it or by a name that stands for it, no mere guess."""
    names = map(folded, headers)
    return any(
        field in (plan.said.get(name), _exact(name, plan.fields), _FIELD_OF.get(name, ("",))[0]) for name in names
    )


def is_reason(header: str) -> bool:
    """Whether a column says why its row was rejected before."""
    return folded(header) in _REASONS


def _exact(name: str, row_fields: Sequence[str]) -> str | None:
    """The field that is called so itself; a column without a name is none."""
    if not name or is_reason(name):
        return IGNORE
    field = name.replace(" ", "_")
    return field if field in row_fields or is_attribute(field) else None


def _chosen(header: str, plan: Plan) -> str | None:
    """The attribute that a column was said to be by its name alone."""
    name = header.strip().lower()
    return ATTRIBUTE_PREFIX + name if plan.attributes is not None and name in plan.attributes else None


def _guessed(names: Sequence[str], fields: Sequence[str | None]) -> dict[str, list[int]]:
    """The places of columns of which nothing is said, by their fields; no field that a column has already.

    The surest name is it. A field has several places only where columns are called the same: none of them is surer.
    """
    best: dict[str, tuple[int, int]] = {}
    for at, name in enumerate(names):
        found = _guess(name) if fields[at] is None else None
        if found is not None and found[0] not in fields:
            field, rank = found
            best[field] = min(best.get(field, (rank, at)), (rank, at))
    return {
        field: [at for at, name in enumerate(names) if name == names[first] and fields[at] is None]
        for field, (_, first) in best.items()
    }


def _guess(name: str) -> tuple[str, int] | None:
    """The field that a name stands for, and how surely: 0 is best."""
    if found := _FIELD_OF.get(name):
        return found
    return ("phone_number", _PHONE_WORD_RANK) if _PHONE_WORD.search(name) else None


def _check_twice(columns: Sequence[Column], line: int) -> None:
    first: dict[str, str] = {}
    for header, field in columns:
        if field != IGNORE and field in first:
            both = {"first": shown(first[field].strip()), "second": shown(header.strip())}
            raise Unfit(ErrorCode.COLUMN_TWICE.format(line=line, name=field, **both))
        first[field] = header


def _of_unknown(header: str, name: str, plan: Plan, used: set[str], line: int) -> str:
    if plan.attributes is None:
        return ATTRIBUTE_PREFIX + _own_name(header, line)
    if plan.unknown is Unknown.REFUSE:
        columns = ", ".join(plan.fields)
        raise Unfit(ErrorCode.COLUMN_UNKNOWN.format(line=line, name=shown(header.strip()), columns=columns))
    is_full = len(used - _NO_ATTRIBUTES) >= ATTRIBUTES_MAX
    if plan.unknown is Unknown.IGNORE or is_full:
        return IGNORE
    return ATTRIBUTE_PREFIX + attribute_name(name, used | _NO_ATTRIBUTES)


def _own_name(header: str, line: int) -> str:
    """The name of the attribute that a column of this name is. Raises Unfit: no name can be made of it."""
    own = header.strip().lower().removeprefix(ATTRIBUTE_PREFIX)
    if is_attribute_name(own):
        return own
    name = attribute_name(own)
    if not _latin(own) or not is_attribute_name(name):
        raise Unfit(ErrorCode.COLUMN_NO_ATTRIBUTE.format(line=line, name=shown(header.strip())))
    return name


def attribute_name(name: str, taken: Iterable[str] = ()) -> str:
    """The name of an attribute made of a column's: in Latin letters, and none of those that are taken."""
    plain = _latin(name)
    if not plain[:1].isalpha():
        plain = f"column_{plain}".strip("_")
    base = plain[:_ATTRIBUTE_LENGTH_MAX].strip("_")
    found, number = base, 2
    while found in taken:
        end = f"_{number}"
        found, number = base[: _ATTRIBUTE_LENGTH_MAX - len(end)] + end, number + 1
    return found


def _latin(name: str) -> str:
    """Small Latin letters and digits, with one underscore for whatever is between them."""
    latin = unicodedata.normalize("NFKD", folded(name).translate(_LATIN)).casefold()
    return re.sub(r"[^a-z0-9]+", "_", "".join(c for c in latin if not unicodedata.combining(c))).strip("_")


@lru_cache
def folded(name: str) -> str:
    """A column's name without what tells nothing: case, dots, underscores, blanks around."""
    text = name[:_NAME_CHARACTERS_MAX].casefold().replace("ё", "е")
    if text.strip().startswith(ATTRIBUTE_PREFIX):  # a field's name is one, and its marks belong to it
        return text.strip()
    return " ".join(re.findall(r"[^\W_]+", text)) or text.strip()


def shown(text: str, characters: int = 40) -> str:
    """Somebody else's text, short and safe to print."""
    return repr(text if len(text) <= characters else text[: characters - 1] + "…")
