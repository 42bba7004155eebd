from multiprocessing.sharedctypes import RawValue

done = RawValue("i", 0)
LIMIT = RawValue("i", 9)


def count(total):
    done.value += 1
    return done.value
