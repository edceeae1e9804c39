"""A providers' file, and what can be wrong with it: what is said of each mistake."""

from __future__ import annotations

from typing import Final

ENVIRON: Final = {"TOKEN": "t0p-secret-token", "KEY": "a-receipts-key"}
FBRQ: Final = """
[[provider]]
name = "main"
kind = "fbrq"
url = "https://probe.fbrq.cloud/v1"
secrets = { token = "TOKEN" }
"""
HTTP: Final = """
[[provider]]
name = "other"
kind = "http"
url = "https://api.example/send?v=1"
secrets = { token = "TOKEN", key = "KEY" }
order = 1
rate = 12.5
rate_unit = "segments"
workers = 3
time_out_seconds = 4
prefixes = ["7916", "7495"]
senders = ["Shop", "Bank"]
price_per_segment = 2.5
failover = false
[provider.request]
headers = { Authorization = "Bearer {secret.token}" }
json = { to = "+{phone}", text = "{text}", from = "{sender}", ref = "{id}" }
[provider.answers]
provider_message_id = "/id"
rules = [{ means = "accepted", pointer = "/id" }]
[provider.receipts]
format = "json"
id = "/ref"
status = "/status"
delivered = ["DELIVERED"]
undelivered = ["FAILED"]
secret = { header = "X-Key", value = "{secret.key}" }
"""

CHANGED: Final[dict[str, tuple[str, str, str]]] = {
    "an unknown key": ("rate = 12.5", "rat = 12.5", "rat: is not known here; did you mean rate?"),
    "an unknown key far from all": (
        'format = "json"\nid',
        'format = "json"\nzzz = 1\nid',
        "receipts.zzz: is not known here: there are answer, code, delivered, detail, format, id, id_pattern, list, "
        "provider_message_id, secret, status, time, time_format, time_zone, undelivered",
    ),
    "an unknown key of a rule": (
        "pointer = ",
        "pointr = ",
        "answers.rules[0].pointr: is not known here; did you mean pointer?",
    ),
    "an unknown key of a secret": (
        'header = "X-Key"',
        'headr = "X-Key"',
        "receipts.secret.headr: is not known here; did you mean header?",
    ),
    "a missing table": ("[provider.request]", "[provider.requests]", "request: is missing"),
    "a bad name": ('"other"', '"Other!"', "name: string should match pattern '^[a-z][a-z0-9_-]{0,31}$'"),
    "no name": ('name = "other"', "", "name: is missing"),
    "a bad kind": ('kind = "http"', 'kind = "htp"', "kind: should be one of fbrq, http"),
    "no kind": ('kind = "http"', "", "kind: is missing"),
    "a negative price": ("t = 2.5", "t = -2.5", "price_per_segment: should be greater than or equal to 0"),
    "a price that is none": ("t = 2.5", "t = nan", "price_per_segment: should be a finite number"),
    "a negative rate": ("12.5", "-1", "rate: should be greater than or equal to 0"),
    "a rate that is true": ("rate = 12.5", "rate = true", "rate: should be a number"),
    "a rate that is a text": ("rate = 12.5", 'rate = "5"', "rate: should be a number"),
    "a price that is a text": ("t = 2.5", 't = "1"', "price_per_segment: should be a number"),
    "a time that is a text": ("time_out_seconds = 4", 'time_out_seconds = "4"', "time_out_seconds: should be a number"),
    "workers that are true": ("workers = 3", "workers = true", "workers: should be a whole number"),
    "an order that is a text": ("order = 1", 'order = "1"', "order: should be a whole number"),
    "a failover that is a text": ("failover = false", 'failover = "no"', "failover: should be true or false"),
    "a name that is a number": ('name = "other"', "name = 5", "name: should be a text"),
    "prefixes that are no list": ('["7916", "7495"]', '"7916"', "prefixes: should be a list"),
    "secrets that are no table": ('{ token = "TOKEN", key = "KEY" }', '"TOKEN"', "secrets: should be a table"),
    "no rule": ('[{ means = "accepted", pointer = "/id" }]', "[]", "rules: should be a list of one rule or more"),
    "no workers": ("workers = 3", "workers = 0", "workers: should be greater than or equal to 1"),
    "no time": ("time_out_seconds = 4", "time_out_seconds = 0", "time_out_seconds: should be greater than 0"),
    "another unit": ('"segments"', '"parts"', "rate_unit: should be 'messages' or 'segments'"),
    "prefixes of nobody": ('"7916"', '"+7916"', "prefixes: should be the first digits of numbers, such as 7 or 7916"),
    "a sender with a line break": (
        '"Shop"',
        '"Sh\\nop"',
        "senders: should be names of 1 to 64 visible characters",
    ),
    "the secret itself": (
        '"TOKEN"',
        '"t0p-secret-token"',
        "secrets: token should be the name of an environment variable, not the secret itself",
    ),
    "no such variable": ('"KEY"', '"KEY_2"', "secrets.key: the environment variable KEY_2 is not set"),
    "no such secret": (
        "{secret.key}",
        "{secret.keys}",
        "receipts.secret: has {secret.keys}, and secrets have no keys",
    ),
    "no such placeholder": (
        "{text}",
        "{txt}",
        "request.json: has {txt}, which is no placeholder; did you mean {text}?",
    ),
    "a brace alone": ("{text}", "{text", "request.json: has a brace alone: a placeholder is {text}, a brace is {{"),
    "nowhere the text": ("{text}", "x", "request: has {text} nowhere"),
    "nowhere the sender": ("{sender}", "x", "senders: the request has {sender} nowhere"),
    "nowhere the id": ("{id}", "x", "receipts.id: can't be ours: the request has {id} nowhere"),
    "a text in a header": (
        "Bearer {secret.token}",
        "{text}",
        "request.headers.Authorization: can't have {text}: a header takes visible ASCII characters only",
    ),
    "two bodies": ("[provider.request]", "[provider.request]\nform = {}", "request.form: is one body too many"),
    "a body for GET": (
        "[provider.request]",
        '[provider.request]\nmethod = "GET"',
        "request.method: GET has no body: use query, or POST",
    ),
    "two authorizations": (
        "[provider.request]",
        '[provider.request]\nbasic = { user = "a", password = "{secret.token}" }',
        "request.basic: is one too many: headers have Authorization",
    ),
    "nothing is accepted": ('"accepted"', '"busy"', 'answers.rules: say nowhere what means "accepted"'),
    "a pointer without a slash": (
        '"/id" }]',
        '"id" }]',
        "answers.rules[0].pointer: should be a JSON pointer, such as /messages/0/status",
    ),
    "values of nothing": (
        'pointer = "/id" }',
        "values = [1] }",
        "answers.rules[0].values: needs a pointer, which says where they stand",
    ),
    "a bad pattern": (
        'pointer = "/id" }',
        "pattern = '(' }",
        "answers.rules[0].pattern: is no regular expression: missing ): (",
    ),
    "a pattern that looks around": (
        'pointer = "/id" }',
        "pattern = '(?=a)' }",
        "answers.rules[0].pattern: is no regular expression: invalid perl operator: (?=",
    ),
    "a status that is none": (
        'means = "accepted",',
        'means = "accepted", status = "2x",',
        'answers.rules[0].status: should be statuses, such as 201, "2xx" or [200, 202]',
    ),
    "a pattern would do": (
        "[provider.answers]",
        '[provider.answers]\nformat = "text"',
        'answers.rules: accepted needs a pattern where format is "text": a page of HTML has a 200 too',
    ),
    "a word with two meanings": (
        '"FAILED"',
        '"delivered"',
        "receipts.undelivered: has 'delivered', and so has delivered",
    ),
    "receipts of nobody": (
        'id = "/ref"',
        "",
        "receipts.id: is missing, and so is provider_message_id: receipts could not be told apart",
    ),
    "receipts with a form's field": (
        'id = "/ref"',
        'id = "ref"',
        "receipts.id: should be a JSON pointer, such as /messages/0/status",
    ),
    "receipts of everybody": (
        'value = "{secret.key}"',
        'value = "known"',
        "receipts.secret.value: has no {secret.NAME}",
    ),
    "two secrets": (
        'header = "X-Key"',
        'header = "X-Key", query = "k"',
        "receipts.secret: should have one of header, query, basic",
    ),
    "a form of time": (
        'status = "/status"',
        'status = "/status"\ntime_format = "iso"',
        'receipts.time_format: should be "rfc3339", "seconds", "milliseconds" or a form with a date such as "%d.%m.%Y',
    ),
    **{
        f"a time of {form}": (
            'status = "/status"',
            f'status = "/status"\ntime_format = "{form}"',
            "receipts.time_format: should be",
        )
        for form in ("%H:%M", "%d.%m %H:%M", "%Y-%m", "%d.%m.%Y %M:%S", "%d.%m.%Y %I:%M:%S", "%", "%d.%m.%Y %Q")
    },
    "a zone": (
        'status = "/status"',
        'status = "/status"\ntime_zone = "Moscow"',
        "receipts.time_zone: should be an IANA time zone name, such as Europe/Moscow",
    ),
    "a URL that is none": ("https://api.example/send?v=1", "api.example", "url: the provider's URL should look like"),
    "a URL with a password": (
        "https://api.example",
        "https://me:pw@api.example",
        "url: the provider's URL may have neither user name nor password, query or fragment",
    ),
    "a host that a message chooses": (
        "https://api.example",
        "https://{id}.example",
        "url: has {id} before its path",
    ),
    "plain text on the way": (
        "https://api.example",
        "http://api.example",
        "url: token, numbers and texts would leave this machine in the clear: needs https://",
    ),
    "a price that would be rounded": ("t = 2.5", "t = 0.0000004", "price_per_segment: should have at most 6 decimals"),
    "a price of seven decimals": ("t = 2.5", "t = 2.5000001", "price_per_segment: should have at most 6 decimals"),
    "an order of a far place": ("order = 1", "order = 1000001", "order: should be less than or equal to 1000000"),
    "an order before all": ("order = 1", "order = -1000001", "order: should be greater than or equal to -1000000"),
    **{
        f"a header of the call: {name}": (
            "headers = {",
            f'headers = {{ {name} = "5",',
            f"request.headers.{name}: is for the client to say: it knows the body and the connection",
        )
        for name in ("Content-Length", "Transfer-Encoding", "host", "Connection", "Upgrade", "TE", "Expect")
    },
    "one header in two writings": (
        "headers = {",
        'headers = { X-A = "1", x-a = "2",',
        "request.headers: have X-A and x-a, which are one header",
    ),
    "a rule of no status": (
        'means = "accepted",',
        'means = "accepted", status = [],',
        'answers.rules[0].status: should be statuses, such as 201, "2xx" or [200, 202]',
    ),
    **{
        f"a rule that is never asked: {later}, after {first}": (
            '[{ means = "accepted", pointer = "/id" }]',
            f'[{{ means = "accepted"{first} }}, {{ means = "busy"{later} }}]',
            "answers.rules[1]: is never asked: a rule before it fits all that this one fits",
        )
        for first, later in (
            ("", ""),
            ("", ', pointer = "/error"'),
            ("", ', status = [200, 201], pattern = "x"'),
            (', status = ["2xx", 429]', ", status = 429"),
            (', pointer = "/id"', ', pointer = "/id", values = [1]'),
            (', pointer = "/id", values = [1, 2]', ', pointer = "/id", values = 2, pattern = "x"'),
            (', pattern = "x"', ', pointer = "/id", pattern = "x"'),
        )
    },
    "an id that no group finds": (
        'provider_message_id = "/id"',
        r"provider_message_id_pattern = 'ID: \d+'",
        r"answers.provider_message_id_pattern: should have one group in parentheses, which finds the id",
    ),
    "an id of ours that no group finds": (
        'id = "/ref"',
        "id = \"/ref\"\nid_pattern = 'm-(?:[0-9]+)'",
        "receipts.id_pattern: should have one group in parentheses, which finds the id",
    ),
    "a validity of nothing": (
        "[provider.request]",
        "[provider.request]\nvalidity = { seconds_min = 60 }",
        "request.validity: is of no use: the request has {valid_seconds} or the like nowhere",
    ),
    "a validity of ages": (
        "[provider.request]",
        "[provider.request]\nvalidity = { seconds_min = 1e30 }",
        "request.validity.seconds_min: should be less than or equal to 31536000",
    ),
    "a URL with a space": (
        "/send?v=1",
        "/send sms?v=1",
        "url: the provider's URL may have no spaces: one is written %20",
    ),
    "a URL with a line break": ("/send?v=1", "/send?v=1\\n", "url: the provider's URL may have no spaces"),
    "a URL with half a bracket": ("https://api.example", "http://[::1", "url: "),
    **{
        f"a pointer where a {form} has fields": (
            'format = "json"',
            f'format = "{form}"',
            f'receipts.id: should be the name of a field, not a pointer: format is "{form}"',
        )
        for form in ("form", "query")
    },
}
