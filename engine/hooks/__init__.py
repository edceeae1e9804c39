"""Telling others what has happened. A herald sees what there is to tell; a courier for each webhook tells it."""
