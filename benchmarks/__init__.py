"""Programs that measure speed, print a table and write JSON; quality is measured by `train.evaluate`."""
