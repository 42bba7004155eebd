class Config:
    _instance = None

    def __init__(self):
        self.batch = 1

    @classmethod
    def get(cls):
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance
