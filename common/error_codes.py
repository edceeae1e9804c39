"""All that can be wrong with a request: its code for programs and its sentence for people, each said once.

A member's name is the code, its value the sentence; names in braces stand for values. ``format`` fills them in and
makes a ``Fault``, a text that bears the code and the values as well: ``ErrorCode.TOO_LONG.format(max=64, count=70)``.
A fault goes as it is wherever a message can go: into an exception, into marshmallow's messages. It goes over gRPC as
``google.rpc`` details, where the code is the ``reason``, and out of REST as ``code``, ``arguments`` and ``message``.
The panel has its words by code.

A code is part of the API: it is not renamed, nor given another meaning, nor do its values get other names. The
sentence may be worded anew at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique
from functools import cache
from string import Formatter
from typing import Final, Self

NOTHING: Final[Mapping[str, str]] = {}
_NAME_THE_ENCODING: Final = "name the encoding of the file (charset, --encoding)"


class Fault(str):
    """What is wrong, in one sentence, with its code and the values in the sentence, as texts.

    ``code`` is empty for a sentence that no table has: it came from a program of another version.
    """

    __slots__ = ("arguments", "code")
    code: str
    arguments: Mapping[str, str]

    def __new__(cls, sentence: str, code: str = "", arguments: Mapping[str, str] = NOTHING) -> Self:
        """Make one; ``ErrorCode.format`` is the usual way."""
        fault = super().__new__(cls, sentence)
        fault.code, fault.arguments = code, arguments
        return fault

    def worded(self, sentence: str) -> Fault:
        """Return the same in other words."""
        return Fault(sentence, self.code, self.arguments)


class Unfit(ValueError):
    """A value that can't be what it should be."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


@unique
class ErrorCode(StrEnum):
    """Why something is refused, by what it is about; the value is the sentence."""

    # -- any field ---------------------------------------------------------------------------------
    REQUIRED = "is required"
    NULL = "must not be null"
    EMPTY = "must not be empty"
    UNKNOWN_FIELD = "is not a known field"
    FIXED = "can't be changed"
    GIVEN_TWICE = "is given twice"
    NOT_TEXT = "must be text"
    NOT_OBJECT = "must be an object"
    NOT_ARRAY = "must be an array"
    NOT_NUMBER = "must be a number"
    NOT_WHOLE = "must be a whole number"
    NOT_WHOLE_FROM_0 = "must be a whole number, 0 or more"
    NOT_WHOLE_ABOVE_0 = "must be a whole number above 0"
    NOT_BOOLEAN = "must be true or false"
    NOT_A_CHOICE = "must be one of {choices}"
    UNKNOWN_NUMBER = "{number} is not one of its values"
    OUT_OF_RANGE = "must be {min} to {max}"
    TOO_SMALL = "must be at least {min}"
    NEGATIVE = "must not be negative"
    TOO_LONG = "must have at most {max} characters, not {count}"
    BAD_LENGTH = "must have {min} to {max} characters, not {count}"
    TOO_MANY_BYTES = "must have at most {max} bytes, not {count}"
    TOO_MANY_ENTRIES = "must have at most {max} entries, not {count}"
    TOO_MANY_KEYS = "must have at most {max} fields, not {count}"
    NULL_CHARACTER = "must not contain the character U+0000"
    HALF_CHARACTER = "must not contain half of a surrogate pair"
    NOT_A_TIME = "must be a time as in RFC 3339, like 2026-01-31T09:00:00Z"
    NO_OFFSET = "must say its offset from UTC, like 2026-01-31T09:00:00+03:00 or 2026-01-31T06:00:00Z"
    YEAR_OUT_OF_RANGE = "must be in the years 1 to 9999 of UTC"
    NOT_IN_FUTURE = "must be in the future"
    TOO_FAR_AHEAD = "must not be more than a day ahead of now"
    NOT_TIME_OF_DAY = "must be a time of day like 09:00, from 00:00 to 23:59"
    NOT_DATE = "must be a date like 2026-11-29"
    MORE_FIELDS = "and {count} more fields are bad"
    NOT_LOOKED_AT = "and what follows was not looked at: too many entries are bad"

    # -- clients and their phone numbers -----------------------------------------------------------
    NOT_TIME_ZONE = 'must be a time zone: an IANA name like "Europe/Moscow", an offset like "UTC+3", or a city'
    NOT_LANGUAGE = 'must be a BCP 47 language tag, like "ru" or "pt-BR", or empty'
    BAD_ATTRIBUTE_NAME = (
        'is no name of an attribute: a small Latin letter, then up to 31 small Latin letters, digits or "_"'
    )
    RESERVED_NAME = "is a field of the client itself, and no name of an attribute"
    NOT_ATTRIBUTE = "must be a text, a number, true or false"
    NO_SUCH_MAILING = "there is no mailing {id}"
    MESSAGES_REMOVED = "the messages of mailing {id} are removed, for it ended long ago"
    MESSAGES_BEING_MADE = "the messages of mailing {id} are still being made: try again when its audience is ready"
    OWN_MESSAGES = "must be another mailing: whoever has a message of this one stays in it"
    UNKNOWN_ATTRIBUTE = "no client has the attribute {name}"
    NEEDS_VALUES = "must have at least one value for {op}"
    NEEDS_ONE_VALUE = "must have exactly one value for {op}, not {count}"
    NEEDS_NO_VALUES = "must be left out for {op}"
    NO_ORDER = "must be a number or a text: true and false have no order"
    NOT_DIGITS = "must be 1 to {max} digits"
    NOT_DIGITS_OR_EMPTY = "must be 1 to {max} digits, or empty"
    BAD_ID_COUNT = "must be 1 to {max} ids, not {count}"
    PHONE_NUMBER_TAKEN = "a client with the phone number {phone_number} exists already"
    PHONE_CHARACTER = "contains {character}"
    PHONE_SEVERAL = "has more than one number: one cell or field may have one"
    PHONE_MERGED = "the cell is merged with that of line {line}, which alone has the number: give each row its own"
    PHONE_PLUS = 'may have "+" only at its beginning'
    PHONE_PARENTHESES = "may have one group of digits in parentheses, not more"
    PHONE_BEGINNING = "must not begin with {character}"
    PHONE_END = "must not end with {character}"
    PHONE_EXTENSION = "ends with a single digit or a decimal: is it an extension, or was it a number in a table?"
    PHONE_EXTENSION_NAMED = "has an extension, which no text reaches: leave it out"
    PHONE_SINGLE_DIGIT = "has a digit that stands alone: write it in groups of two or more"
    PHONE_SHORTENED = (
        "is a number that Excel has shortened: digits are lost; format the column as text and enter it again"
    )
    PHONE_TEN_DIGITS = "must have 11 digits, 7XXXXXXXXXX: ten are enough only when they begin with 9"
    PHONE_DIGIT_COUNT = "must have 11 digits, 7XXXXXXXXXX, not {count}"
    PHONE_COUNTRY = "must be a number with the country code 7"
    PHONE_PREFIX = "must begin with 7 (or 8)"
    PHONE_PART_LENGTH = "must have {min} to {max} digits, not {count}"
    WITH_PHONE_NUMBER = "can't be used together with phone_number"

    # -- mailings ----------------------------------------------------------------------------------
    TOO_MANY_SEGMENTS = "must take at most {max} SMS segments, not {count} (the limit is MAILING_SEGMENTS_MAX)"
    TEXT_UNSEEN = "shows nothing: it has only blanks and characters that nobody sees"
    PLACEHOLDER_OPEN = "has a placeholder at character {position} that is not closed by two braces"
    PLACEHOLDER_INSIDE = "has a placeholder at character {position} with another one inside"
    PLACEHOLDER_NAME = (
        'has a placeholder at character {position} that names "{name}": it may name an attribute'
        " (a to z, 0 to 9 and _), phone_number or tag"
    )
    PLACEHOLDER_OF_NOBODY = "nobody who matches has {name}"
    SUPPRESSED = "is on the stop list: it gets no text"
    SENDING_PAUSED = "sending is paused: resume it first"
    PROVIDER_CLOSED = "the provider takes no calls now: {problem}"
    UNKNOWN_PROVIDER = "there is no provider {name}; there are: {names}"
    UNKNOWN_SENDER = "{name} is no sender that is allowed; there are: {names}"
    NO_SENDERS = "no sender can be chosen: the providers' file allows none"
    NUMBERS_NOT_SERVED = "{count} of these clients have numbers that no provider takes: they get no text"
    BACKUP_ELSEWHERE = (
        "the database is on a PostgreSQL server: make the backup where the engine is, with python -m engine backup FILE"
    )
    PROVIDERS_FILE = "workers and rate are said by the providers' file (MAILING_PROVIDERS): change it, and restart"
    NOT_AFTER_START = "must be after start_time"
    SAME_HOURS = "from and to must differ; leave it out to send all day"
    BAD_RATE = "must be more than 0 and at most {max} messages a second; leave it out for no limit"
    BAD_RATE_OR_0 = "must be 0 (no limit) to {max} messages a second"
    BAD_BUDGET = "must be more than 0 and at most {max}; leave it out for no limit"
    TOO_MANY_DECIMALS = "must have at most {max} decimals"
    BUDGET_TOO_SMALL = "must be at least what the mailing costs already: {cost}"
    BUDGET_BELOW_MESSAGE = "is less than one message may cost, which is {cost}: nothing is sent"
    BUDGET_SPENT = (
        "mailing {id} can't go on: what is left of its budget is not enough for one more message; raise it first"
    )
    READ_ONLY = "mailing {id} can't be changed any more: it is {state}"
    STILL_OPEN = "mailing {id} can't be archived: it is {state}; cancel it first, or wait for its end"

    # -- accounts, tokens, signing in --------------------------------------------------------------
    BAD_ACCOUNT_NAME = 'must be 1 to {max} Latin letters, digits or ". _ @ -"'
    BAD_TOKEN_NAME = "must be 1 to {max} printable characters, with no blank at either end"
    ROLE_OF_TOKENS = "is a role of API tokens: no person signs in with it"
    ACCOUNT_NAME_TAKEN = "there is an account named {name} already"
    WEBHOOK_ADDRESS = "must be an https:// address, without user, password and fragment"
    WEBHOOK_PRIVATE = (
        "is an address of this machine, of a private network or of nobody; MAILING_WEBHOOK_PRIVATE=true allows it"
    )
    WEBHOOK_OFF = "webhook {id} is switched off"
    TOO_MANY_WEBHOOKS = "there are {max} webhooks already; remove one first"
    TOKEN_MADE_BEFORE = "this request has made a token before; its secret was shown then, and only then"
    WRONG_CURRENT_PASSWORD = "is wrong"
    WRONG_NAME_OR_PASSWORD = "the name or the password is wrong"
    OIDC_OFF = "signing in with OpenID Connect is not set up (MAILING_OIDC_ISSUER)"
    OIDC_AWAY = "{name} can't be reached just now, or its answer makes no sense"
    OIDC_REFUSED = "what {name} has answered is not good for this sign-in, or not any more: begin again"
    OIDC_NOT_BEGUN = "this sign-in was not begun in this browser, or not in the last ten minutes: begin again"
    OIDC_NO_ROLE = "{person} is known to {name}, but has no role here"
    OIDC_REVOKED = "the account of {person} was revoked here"
    OIDC_BAD_REDIRECT = "must be an http:// or https:// address"
    NO_PASSWORD = "the account has no password: {issuer} says who the person is"
    ONE_TIME_CODE_REQUIRED = "the account has two-step sign-in: a one-time code is needed too (one_time_code)"
    WRONG_ONE_TIME_CODE = "the one-time code is wrong, too old, or was used before"
    TOTP_SETUP_REQUIRED = "the account must have two-step sign-in (MAILING_REQUIRE_TOTP): set it up first"
    TOTP_REQUIRED = "the account must have two-step sign-in (MAILING_REQUIRE_TOTP): it can't be turned off"
    OWN_TOTP = "this is your own account: turn its two-step sign-in off with a code, or ask another admin to reset it"
    TOTP_OFF = "the account has no two-step sign-in"
    TOTP_NOT_BEGUN = "nothing was begun that could be confirmed: begin to set up two-step sign-in first"
    NO_NAME_OR_PASSWORD = "username and password are needed"
    LAST_ADMIN = "this is the last admin's account: make another one first"
    NOT_A_SESSION = "the call carries an API token, not a session"
    RECEIPTS_SECRET = "the secret of the provider's table in MAILING_PROVIDERS is needed"
    RECEIPTS_UNREADABLE = "the receipts are not as the provider's table describes them: {problem}"
    UNAUTHENTICATED = "a valid session or API token is needed: authorization: Bearer SECRET"
    NOT_SIGNED_IN = "nobody is signed in"
    SIGN_IN_FIRST = "sign in first"
    PERMISSION_DENIED = "this needs the role {required}; {name} has the role {role}"
    NOBODY_MAY = "nobody may call this method"
    TOO_MANY_TRIES = "too many failed sign-ins; try again later"
    TOO_MANY_WRONG_PASSWORDS = "too many wrong passwords; try again later"
    TOO_MANY_SIGN_INS = "too many people are signing in just now; try again"

    # -- lists, masks, repeats ---------------------------------------------------------------------
    BAD_ORDER = 'must be "id", "id desc" or empty'
    BAD_PAGE_TOKEN = "is not a token of this list with these filters; begin without one"
    NO_ACTOR_KIND = "must be set when actor_id is: accounts and tokens have ids"
    NOT_A_PATH = '"{path}" is not a field'
    BAD_BATCH_MASK = "must name tag, time_zone or both, and nothing else"
    NOTHING_TO_CHANGE = "at least one of workers, rate_limit and sending must be set"
    BAD_REQUEST_ID = "must have at most {max} characters, all printable"
    OTHER_REQUEST_ID = "must be that of the first page, or empty"
    REQUEST_ID_REUSED = "this request id was used for another request before"
    REQUEST_IN_PROGRESS = "a request with this request id is being worked on; repeat it for its answer"
    BAD_KEY = "must be one text of 1 to {max} visible ASCII characters"
    BAD_TIMEOUT = "must be a number of seconds above 0"

    # -- a call as a whole -------------------------------------------------------------------------
    INVALID_FIELDS = "bad fields: {count}"
    NOT_FOUND = "{kind} {id} does not exist"
    NO_SUCH_ID = "there is nothing with this id: ids are whole numbers above 0"
    UNREADABLE_MESSAGE = "the message can't be read: it is not of the method's type"
    NO_MESSAGE = "there is no message"
    NO_MESSAGE_IN_TIME = "no message came within {seconds} s"
    REPORT_NOT_MAILED = "the report was not mailed: {reason}"
    SERVICE_NAME_TOO_LONG = "a service's name has at most {max} characters"
    UNIMPLEMENTED = "there is no such method here"
    TOO_MANY_CALLS = "you have {max} calls of this method open, the most there may be"
    TOO_MANY_CALLS_OF_ALL = "{max} calls of this method are open, the most there may be"
    TOO_MANY_QUESTIONS = "too many questions that cost much are being asked; ask for less, or later"
    QUESTION_TOO_LONG = "this question takes more than {seconds} s; ask for less, or later"
    DATABASE_AWAY = "the database is away or too busy; try again"
    ENGINE_STOPPING = "the engine is stopping"
    INTERNAL = "internal error, reference {reference}"
    UNKNOWN_FAILURE = "something is wrong inside the service"
    ENGINE_AWAY = "the engine is away; try again"
    ENGINE_LATE = "the engine did not answer in time"
    ENGINE_VERSION = "the engine is of another version: it does not know this"
    ENGINE_NOT_READY = "the {component} {problem}"
    GATEWAY_STOPPING = "the gateway stops"

    # -- HTTP --------------------------------------------------------------------------------------
    NO_SUCH_PATH = "there is nothing at this path"
    BAD_METHOD = "this path does not know the method"
    HTTP_STATUS = "{title}"
    NOT_ACCEPTABLE = "the answer is {choices}: Accept must allow it"
    URL_NOT_ENCODED = (
        "the address is not URL-encoded: blanks and letters beyond ASCII go as UTF-8 in %XX, such as %D0%9E for О "
        "(curl --get --data-urlencode)"
    )
    NOT_HTTP = "this is not HTTP as RFC 9112 has it"
    UNKNOWN_HOST = "this server is not called {host}; its operator can add the name"
    OTHER_SITE = "another site's page may change nothing here"
    HEADER_LATE = "the request's header did not come in time"
    HEADER_TOO_LONG = "the request's line or a header is longer than {max} bytes"
    TOO_MANY_HEADERS = "the request has more than {max} headers"
    TOO_MANY_PARAMETERS = "the query has more than {max} parameters"
    TOO_MANY_REQUESTS = "more than {max} requests a second with this token"
    TOO_MANY_REQUESTS_OF_ADDRESS = "more than {max} requests a second from this address"
    TOO_MANY_REQUESTS_OF_SESSION = "more than {max} requests a second of one session"
    TOO_MANY_CONNECTIONS = "your address has {max} connections already"
    TOO_MANY_CONNECTIONS_OF_ALL = "too many connections"
    REQUEST_TOO_LARGE = "the request is too large"
    BODY_LATE = "the next piece of the body did not come in time"
    BODY_SLOW = "the body comes more slowly than {min} bytes a second"
    BODY_TOO_LARGE = "the body is larger than {max} bytes"
    BODY_INFLATES = "the body inflates to more than {max} times its size"
    BODY_UNREADABLE = "the body can't be read: it is not as its headers say, or was cut off"
    BODY_EMPTY = "the body is empty: JSON is needed"
    BODY_NOT_JSON = "the body is no JSON: {problem}, line {line}, column {column}"
    BODY_NOT_OBJECT = "the body must be a JSON object"
    BODY_TOO_DEEP = "lists and objects lie more than {max} deep in each other"
    BODY_COMMAS = "the body has more than {max} commas: no request has so many values"
    BODY_BRACKETS = "the body has more than {max} brackets: no request has so many lists and objects"
    BODY_TYPE = "Content-Type must be application/json, not {type}"
    BODY_CHARSET = "the body must be in UTF-8: its charset is another one"
    BODY_ENCODING = "Content-Encoding must be {choices}, or not be there"

    # -- imports: the call, the file, a row --------------------------------------------------------
    IMPORT_TYPE = "an import is {choices}"
    IMPORT_CHARSET = "the charset in Content-Type is none that is known here"
    IMPORT_LATE = "the import took longer than {max} seconds: the rows before are stored, send it again in parts"
    IMPORT_BROKEN_OFF = "the engine broke the import off; the pages before are stored, importing the file again is safe"
    IMPORT_KEY_USED = "an import with this key runs already"
    TOO_MANY_IMPORTS = "you run {max} imports already: wait for one to end"
    TOO_MANY_IMPORTS_OF_ALL = "{max} imports run already: try again later"
    FILE_EMPTY = "the input is empty: a header row with phone_number is needed"
    FILE_ARRAY = "this is a JSON array: write one object a line (NDJSON), or CSV"
    FILE_ZIP = "this is an Excel workbook or a zip archive: name it as a workbook (Content-Type, .xlsx)"
    WORKBOOK_UNREADABLE = "this is no Excel workbook (.xlsx), or a damaged one"
    WORKBOOK_LOCKED = "the workbook is locked with a password: save it without one"
    WORKBOOK_NO_SHEET = "the workbook has no sheet {name}: its sheets are {sheets}"
    WORKBOOK_EMPTY = "no sheet of the workbook has any rows"
    WORKBOOK_TOO_LARGE = 'the workbook takes too much memory or time to read: save it as "CSV UTF-8"'
    FILE_OLD_EXCEL = "this is an old Excel workbook (.xls): save it as .xlsx"
    FILE_GZIP = "this is a gzip archive: unpack it first"
    FILE_PDF = "this is a PDF document, not a table"
    FILE_BINARY = "this is a binary file, not a table of clients"
    FILE_LINE_TOO_LONG = "line {line} is longer than {max} KiB: this is no table of clients"
    FILE_NOT_IN_ENCODING = "line {line} is not {encoding} text, the encoding that was named"
    FILE_NOT_AS_BEGUN = "line {line} is not {encoding} text"
    FILE_ENCODING_UNKNOWN = (
        f"line {{line}} is neither UTF-8 nor Windows-1251 text: {_NAME_THE_ENCODING}, or save it as UTF-8 "
        '(Excel: "CSV UTF-8")'
    )
    HEADER_NOT_CSV = "line {line}: the header row is not CSV: {text}"
    HEADER_WITHOUT_COLUMNS = "line {line} must name the columns ({columns}), but it is: {text}"
    COLUMN_UNKNOWN = (
        "line {line}: unknown column {name}; the columns are {columns}; say what it is (map, --map): one of them, "
        "attributes.NAME or ignore; or that all others are attributes (attributes=all, --attributes all)"
    )
    COLUMN_NOT_THERE = (
        "line {line}: there is no column {name}, of which it is said what it is; the columns are {columns}"
    )
    COLUMN_MAPPED_TWICE = "says of the column {name} twice what it is"
    NOT_COLUMN_MAP = "must be Header=field, where the field is {choices}, attributes.NAME or ignore"
    COLUMN_NO_ATTRIBUTE = (
        "line {line}: no name of an attribute can be made of the column {name}: it needs a Latin or Russian letter or "
        "a digit, and may not be id, phone_number, phone_code, tag or time_zone; "
        "say what it is (map, --map): attributes.NAME or ignore"
    )
    COLUMN_TWICE = 'line {line}: the column "{name}" is there twice: as {first} and as {second}'
    COLUMN_MISSING = 'line {line}: the column "{name}" is missing'
    ROW_TOO_LONG = "the row has more than {max} KiB"
    ROW_LINE_TOO_LONG = "the line is longer than {max} KiB"
    ROW_NOT_IN_ENCODING = "the line is not valid {encoding} text"
    ROW_ENCODING_UNKNOWN = f"the line is neither UTF-8 nor Windows-1251 text: {_NAME_THE_ENCODING}"
    ROW_LOOKS_WRONG = f"reads {{text}} in Windows-1251, which looks wrong: {_NAME_THE_ENCODING}"
    ROW_IN_DOUBT = f"may be in another encoding than Windows-1251, as most other rows: {_NAME_THE_ENCODING}"
    ROW_QUOTE_OPEN = "a quote that opens in this line is never closed"
    ROW_IN_QUOTE = (
        "has fewer cells than the header, and may be a piece of a cell whose quote opens above: "
        "correct the quotes of line {line}, or give this row all its cells"
    )
    ROW_AFTER_QUOTE = 'something follows the quote that closes cell {cell}: use "" for a quote'
    ROW_CELLS = "has {count} cells, the header has {columns}"
    ROW_NOT_JSON = "the line is not valid JSON"
    ROW_NOT_OBJECT = "the line must be a JSON object"
    ROW_UNKNOWN_FIELD = "unknown field"
    ROW_MORE_UNKNOWN_FIELDS = "and {count} more unknown fields"
    ROW_NOT_TEXT = "must be a text in quotes"
    ROW_NOT_TEXT_OR_WHOLE = "must be a text in quotes, or a whole number"

    # -- the panel's own calls ---------------------------------------------------------------------
    NOT_A_FILTER = "is not a filter of this list"
    NOT_TRUE = "must be true"
    NOT_TEXT_OR_WHOLE = "must be a text or a whole number"
    NOT_TEXT_OR_EMPTY = "must be a text, and not empty"
    BAD_SORT = "must be {choices}: lists are in the order of it"
    BAD_PARAMETER = "is not what can be asked for: {problem}"
    MISSING_OR_OTHER_TYPE = "is missing or of another type"
    NOT_FILE_SIZE = "must be the file's length in bytes"

    def format(self, *_: object, **values: object) -> Fault:
        """Fill the sentence in: see the module. Values that it does not name are left out, as marshmallow's ``input``.

        Raises:
            KeyError: a value is missing.
        """
        named = _names(self)
        if not named:
            return Fault(self.value, self.name)
        arguments = {name: str(values[name]) for name in named}
        return Fault(self.value.format_map(arguments), self.name, arguments)


@cache
def _names(code: ErrorCode) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(code.value) if name is not None))
