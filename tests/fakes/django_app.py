"""A Django project in one file, as `gunicorn tests.fakes.django_app:application` runs it."""

from __future__ import annotations

import django
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from scope_async import ScopeClient

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of a test", MIDDLEWARE=[])
django.setup()

scope = ScopeClient.from_env(cache_ttl=0.3, stale_while_revalidate=0.2)


def in_sync_view(_: HttpRequest) -> HttpResponse:
    return HttpResponse(async_to_sync(scope.render_prompt)("greeting"))


async def in_async_view(_: HttpRequest) -> HttpResponse:
    return HttpResponse(await scope.render_prompt("greeting"))


async def without_cache(_: HttpRequest) -> HttpResponse:
    return HttpResponse((await scope.get_prompt_version("greeting", cache=False)).content)


urlpatterns = [path("sync", in_sync_view), path("async", in_async_view), path("uncached", without_cache)]
application = get_wsgi_application()
