from .gap import (
    gap_table as gap_table,
    published as published,
    published_layers as published_layers,
)
from .registry import build as build, names as names, titles as titles
from .table import layer_table as layer_table
