"""Workloads for other simulators."""
