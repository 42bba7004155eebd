LIMIT = 10
UNIT = "s"
