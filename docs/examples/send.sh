#!/usr/bin/env bash
# Add a client, send a mailing to its tag, wait, and say what became of it: with curl.
set -euo pipefail

api=$MAILING_HTTP_URL/api/v1
rest() { curl -sS --fail-with-body -H "Authorization: Bearer $MAILING_API_TOKEN" "$@"; }
field() { python3 -c 'import functools, json, sys
print(functools.reduce(lambda value, name: value[name], sys.argv[1].split("."), json.load(sys.stdin)))' "$1"; }

tag=curl-$$
# 8 916 …, +7 (916) … or 7916…: a number may be written as people do. Who is there already gets the tag.
printf 'phone_number,tag\n+7 (916) 000-01-01,%s\n' "$tag" |
    rest -H 'Content-Type: text/csv' --data-binary @- "$api/clients/import" >/dev/null

now=$(date -u +%FT%TZ)
mailing='{"text": "From curl", "filter": {"tags": ["'$tag'"]}, "start_time": "'$now'", "end_time": "2099-01-01T00:00:00Z"}'
# Repeated with the same key, this answers as it did the first time, and registers nothing.
id=$(rest --json "$mailing" -H "Idempotency-Key: $tag" "$api/mailings" | field id)

# Server-sent events: progress as it comes, `end` when nothing is pending.
rest -N "$api/mailings/$id/events" >/dev/null
stats=$(rest "$api/mailings/$id/stats")
echo "mailing $id: $(field message_counts.sent <<<"$stats") sent, $(field message_counts.not_sent <<<"$stats") not sent"
