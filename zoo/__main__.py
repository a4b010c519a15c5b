"""``python -m zoo {list,train,evaluate,predict,export,preset,sweep}``."""

from __future__ import annotations

import sys

from zoo import extra


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what is wrong becomes one line on stderr.

    Returns:
        The exit code: 0; 1 where a training failed; 2 where use, input or the
        installation was wrong; 130 where it was stopped by Ctrl-C.
    """
    try:
        extra.require()
    except ImportError as error:
        print(f"zoo: {error}", file=sys.stderr)
        return 2
    from zoo import cli

    return cli.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
