"""joblib's calls on our own workers: ``backend`` is what joblib sees of it.

What is imported here, workers import too.
"""
