"""`python -m riskstream`, which the local stack uses to start services with its own interpreter."""

from riskstream.main import main

main(prog_name="riskstream")
