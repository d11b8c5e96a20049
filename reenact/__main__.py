"""``python -m reenact``: the command line without installing it."""

import sys

from reenact.cli import main

sys.exit(main())
