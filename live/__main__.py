"""`python -m live` is `cleanplate`."""

from live.cli import main

if __name__ == "__main__":
    main()
