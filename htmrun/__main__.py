"""`python -m htmrun` is the same as `htmrun`."""

import sys

from htmrun.cli import main

if __name__ == "__main__":
    sys.exit(main())
