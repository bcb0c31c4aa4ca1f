"""``python -m npnet`` is ``npnet``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is being loaded ends with one line, too."""
    try:
        from npnet import cli
    except KeyboardInterrupt:
        sys.stderr.write("npnet: interrupted\n")
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
