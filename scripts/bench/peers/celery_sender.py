"""Celery, Redis and Django's ORM: what is written most often for this task.

``celery -A celery_sender worker`` sends, ``python celery_sender.py`` registers. ``BENCH_CRAWLER``: nothing is put into
the queue by the registration, a task of celery beat (``-B``) looks every second for what is pending and in its window.
"""
# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator,misc"

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
import requests
from celery import Celery
from common_sender import DATABASE, HEADERS, REDIS, TIME_OUT_SECONDS, URL, serve, status_of
from django.conf import settings

_CRAWLS = bool(os.environ.get("BENCH_CRAWLER"))
_CRAWL_SECONDS = 1.0
_ADDRESS = urlsplit(DATABASE)

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _ADDRESS.path.lstrip("/"),
            "USER": _ADDRESS.username,
            "HOST": parse_qs(_ADDRESS.query)["host"][0],
            "CONN_MAX_AGE": None,
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.db import models
from django.utils import timezone


class _Kept(models.Model):
    """The tables are there already."""

    class Meta:
        """Of a table that senders.py makes."""

        abstract = True
        app_label = "bench"
        managed = False


class Client(_Kept):
    """Who gets texts."""

    phone_number = models.BigIntegerField(unique=True)

    class Meta(_Kept.Meta):
        """Its table."""

        db_table = "client"


class Mailing(_Kept):
    """What is sent, and when."""

    text = models.TextField()
    start_time = models.DateTimeField()
    end_time = models.DateTimeField()

    class Meta(_Kept.Meta):
        """Its table."""

        db_table = "mailing"


class Message(_Kept):
    """One text for one client."""

    mailing = models.ForeignKey(Mailing, models.CASCADE)
    client = models.ForeignKey(Client, models.CASCADE)
    status = models.CharField(max_length=16, default="pending")
    sent_time = models.DateTimeField(null=True)

    class Meta(_Kept.Meta):
        """Its table."""

        db_table = "message"


app = Celery("bench", broker=REDIS)
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True
if _CRAWLS:
    app.conf.beat_schedule = {"crawl": {"task": "crawl", "schedule": _CRAWL_SECONDS}}


@app.task(name="send_message")
def send_message(message_id: int) -> None:
    """One message: read it, call, store what came of it."""
    message = Message.objects.select_related("client", "mailing").get(pk=message_id)
    if message.status == "sent" or not message.mailing.start_time <= timezone.now() <= message.mailing.end_time:
        return
    body = {"id": message.id, "phone": message.client.phone_number, "text": message.mailing.text}
    answer = requests.post(f"{URL}/send/{message.id}", json=body, headers=HEADERS, timeout=TIME_OUT_SECONDS)
    message.status, message.sent_time = status_of(answer.status_code), timezone.now()
    message.save(update_fields=["status", "sent_time"])


@app.task(name="crawl")
def crawl() -> None:
    """Put what is pending into the queue, each message once."""
    now = timezone.now()
    pending = Message.objects.filter(status="pending", mailing__start_time__lte=now, mailing__end_time__gte=now)
    ids = list(pending.values_list("id", flat=True))
    Message.objects.filter(id__in=ids).update(status="queued")
    for each in ids:
        send_message.delay(each)


def _register(mailing_id: int, count: int) -> None:
    clients: Any = Client.objects.filter(id__lte=count).values_list("id", flat=True)
    made = Message.objects.bulk_create([Message(mailing_id=mailing_id, client_id=each) for each in clients])
    for message in made if not _CRAWLS else ():
        send_message.delay(message.pk)


if __name__ == "__main__":
    serve(_register)
