"""A small Django service that greets with a prompt from Scope; for WSGI and ASGI servers.

gunicorn --preload --worker-class gthread --workers 2 django_service:wsgi
uvicorn django_service:asgi
"""

from __future__ import annotations

import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

from scope_async.sync import ScopeClient

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of this example")  # noqa: S106

# In a project of yours, in the module of the views. It starts nothing, so that it may be made before a fork.
scope = ScopeClient.from_env()


def greet(_: ASGIRequest | WSGIRequest, name: str) -> JsonResponse:
    """Answer with the greeting; under ASGI Django calls a view like this one in a thread."""
    return JsonResponse({"text": scope.render_prompt("greeting", {"name": name}), "process": os.getpid()})


urlpatterns = [path("greet/<str:name>", greet)]

wsgi = get_wsgi_application()
asgi = get_asgi_application()
