"""Sends 160 tasks to a Celery worker."""

from __future__ import annotations

from celery_tasks import greet

for number in range(160):
    greet.delay(f"caller {number}")
