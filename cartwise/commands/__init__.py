"""One module for each group of commands; importing one loads what its commands need."""
