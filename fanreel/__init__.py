"""fanreel: the library the rooms share (contracts, errors, settings, domain, inference, adapters)."""
