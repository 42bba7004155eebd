"""One small file per backend: it hands over that backend's own hook, and binds its tasks.

``WorkerSpec`` has a method for each, named as the file.
"""
