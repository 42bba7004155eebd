UNIT = "cm2"


class Square:
    def __init__(self, side):
        self.side = side

    def area(self):
        return f"{self.side**2} {UNIT}"


class Circle(Square):
    PI = 3.14

    def area(self):
        return f"{self.side**2 * self.PI} {UNIT}"
