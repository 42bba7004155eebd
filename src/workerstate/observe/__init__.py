"""See: watch every worker process of a program that knows nothing of us.

``shim`` is the door (a folder on PYTHONPATH), ``hook`` what each process loads through it,
``seams`` what is watched of each library, ``probe`` how a process's state is read, ``launch``
starts the program (its recording's folder is of ``folders``, its ``run.json`` of ``note``),
``reading`` and ``document`` turn the recording into one JSON document.
"""
