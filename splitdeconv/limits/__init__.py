"""Child processes with limits on time and memory, which end with their parent."""
