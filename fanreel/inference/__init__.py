"""The networks: catalogue, building and pulling, onnxruntime sessions, one adapter per role.

Start at `networks.load_networks(settings)`; `packs.build_pack` and `packs.pull_pack` put the files in place.
"""
