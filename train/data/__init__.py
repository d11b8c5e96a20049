"""Labelled sets: folders and shards, local or remote, decoded into arrays."""
