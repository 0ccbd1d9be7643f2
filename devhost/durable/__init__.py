"""Durable orchestrations: the real SDK decides, this room replays its actions and keeps the history.

``replay`` turns the SDK's action list plus history into new decisions; ``store`` holds instances, history and
outstanding work in SQLite; ``engine`` runs episodes and dispatches work; ``api`` is the HTTP face.
"""
