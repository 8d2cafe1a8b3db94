"""Start RSX from a clone: `python3 rsx.py run`.

Everything in this file must also parse on Pythons as old as 2.7, so that they
get one clear line and not a syntax error. The work is in rsx/bootstrap.py.
"""

import os
import sys


def main():
    found = ".".join(str(part) for part in sys.version_info[:3])
    # Python 2 has no sys.implementation.
    flavour = getattr(getattr(sys, "implementation", None), "name", "python")
    if sys.version_info < (3, 11) or flavour != "cpython":
        sys.stderr.write(
            "rsx: found %s %s (%s), but RSX needs CPython 3.11 or newer: "
            "install it and start again with it, for example: python3.11 rsx.py run\n"
            % (flavour, found, sys.executable)
        )
        return 2

    # The package next to this file, whatever the working directory or -P say.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from rsx.bootstrap import main as start

    return start(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
