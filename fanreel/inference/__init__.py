"""The networks: catalogue, building and pulling, onnxruntime sessions, one adapter per role.

Start at `networks.load_networks(settings)`; `packs.ensure_baseline(settings)` puts the files in place.
"""
