"""One file per format; each renders the JSON document and nothing else."""
