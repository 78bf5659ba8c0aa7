"""`python -m cm_collectives` is the command `cm-collectives`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
