"""Child processes with limits on time and memory, which end together with their parent.

Everything that this package runs outside its own process goes through here:

* one task per process, with limits that grow with the model: `sandbox` in the parent, `worker` in
  the child;
* many tasks for one process: `child` in the parent, `loop` in the child;
* third-party programs: `program`.

All of them start the process with `guard` in a dedicated `environment`, and describe with `ending`
how it ended. Of the rest of the package, this folder imports only errors and privacy.
"""
