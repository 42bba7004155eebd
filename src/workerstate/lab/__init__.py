"""The experiments: programs of our own, run for real under observation.

``replay`` runs the experiments the project began with and judges each claim about them.
"""
