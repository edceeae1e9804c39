"""One client by Django REST Framework: ORM and ModelSerializer, as its tutorial has it.

``BENCH_DATABASE`` is the SQLite file; ``BENCH_VARIANT`` is "defaults" (what ``startproject`` writes, and REST framework
as it comes) or "tuned" (connections to the database kept, no middleware, no authentication, JSON only).
Nobody is asked for a token here, which the gateway does: the peer is spared that.
"""
# mypy: disable-error-code="import-not-found,import-untyped,misc"

from __future__ import annotations

import os

import django
from django.conf import settings

_TUNED = os.environ["BENCH_VARIANT"] == "tuned"
_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
_APPS = ["auth", "contenttypes", "sessions", "messages"]
_TUNED_REST = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}

settings.configure(
    SECRET_KEY="for a bench only",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[*(f"django.contrib.{name}" for name in _APPS), "rest_framework"],
    MIDDLEWARE=[] if _TUNED else _MIDDLEWARE,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"file:{os.environ['BENCH_DATABASE']}?mode=ro",
            "OPTIONS": {"uri": True},
            "CONN_MAX_AGE": None if _TUNED else 0,
        }
    },
    REST_FRAMEWORK=_TUNED_REST if _TUNED else {},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application
from django.db import models
from django.urls import path
from rest_framework import generics, serializers


class Client(models.Model):
    """The engine's table."""

    phone_number = models.BigIntegerField(unique=True)
    phone_code = models.CharField(max_length=16)
    tag = models.CharField(max_length=64)
    time_zone = models.CharField(max_length=64)
    create_us = models.BigIntegerField()
    update_us = models.BigIntegerField()

    class Meta:
        """Where it is."""

        app_label = "bench"
        db_table = "client"
        managed = False


class ClientSerializer(serializers.ModelSerializer):
    """All seven columns; the times stay numbers, which costs less than the gateway's RFC 3339."""

    class Meta:
        """What it shows."""

        model = Client
        fields = ("id", "phone_number", "phone_code", "tag", "time_zone", "create_us", "update_us")


class ClientDetail(generics.RetrieveAPIView):
    """GET of one client."""

    queryset = Client.objects.all()
    serializer_class = ClientSerializer


urlpatterns = [path("api/v1/clients/<int:pk>", ClientDetail.as_view())]
application = get_wsgi_application()
