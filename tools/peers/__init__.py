"""What `make peers` runs: the processor model beside SCALE-Sim and ZigZag."""
