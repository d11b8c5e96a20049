"""The training loop and what keeps a run: resume files, log, processes, batches, provenance, export."""
