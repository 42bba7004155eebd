"""Log records, and print, from workers to the parent's own handlers.

Each worker has one pipe of its own to the parent. A record is in that pipe before ``emit``
returns, so it survives whatever happens to the worker next; no lock is shared, so a worker that
dies takes nothing with it. The parent's handlers stay the only writers.

The parent asks ``records.hub.shared()`` for the hub and gives its ``address()`` to the workers; a
worker calls ``records.sender.install(address)``, and where print is carried too
``records.stdio.install(address)``.

    wire        frames: call sites sent once, long records in chunks, extras that survive; no I/O
    rendezvous  how a worker finds the parent and hands over the read end of its pipe
    link        the worker's end of the pipe: never torn, never blocked by a parent that has gone
    sender      the handler that takes the place of all others in a worker
    variables   the carried context variables, which travel with each record
    stdio       the same for what is written to stdout and stderr
    hub         the parent's side; with listener, channels, intake and exits as its parts
    bridges     loguru and structlog
"""
