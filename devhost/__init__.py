"""A local Azure Functions host in Python, for machines without Core Tools.

It loads any Python v2-model app through the real SDKs and gives it what the Functions runtime
gives: HTTP routes, queue, blob and timer triggers against a storage emulator, and Durable
orchestrations with their history on disk. It is a general tool: it knows nothing of the app it runs.
"""
