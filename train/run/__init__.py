"""The training loop: checkpoints, log, processes, batches, provenance and export."""
