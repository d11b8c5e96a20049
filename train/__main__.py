"""``accelerate launch -m train RECIPE``: build the task of a recipe and train it."""

import sys

from train.cli import main

if __name__ == "__main__":
    sys.exit(main())
