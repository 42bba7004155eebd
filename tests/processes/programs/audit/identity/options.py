MISSING = object()
