"""Child processes with limits on time and memory, which end with their parent.

Everything that this package runs outside its own process goes through here:

* one task for one process, whose limits grow with the model: `sandbox` (here) and `worker` (there);
* many tasks in turn for one process: `child` (here) and `loop` (there);
* a program of somebody else: `program`.

All of them start the process with `guard`, in an `environment` made for it, and say with `ending`
how it ended. Nothing in this folder imports anything of the package but errors and privacy.
"""
