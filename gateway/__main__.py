"""`python -m gateway` and the `lora-gateway` command."""

from gateway.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
