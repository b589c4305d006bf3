"""Sends 160 tasks to a Celery worker and prints their results as JSON."""

from __future__ import annotations

import json

from celery_tasks import greet

sent = [greet.delay(f"caller {number}") for number in range(160)]
print(json.dumps([each.get(timeout=40, interval=0.02) for each in sent]))
