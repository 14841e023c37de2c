from .checkpoint import read_checkpoint as read_checkpoint
from .download import cache_folder as cache_folder, cached as cached, fetch as fetch
from .generators import load as load
from .inputs import samples as samples, to_uint8 as to_uint8
from .registry import entry as entry, files as files, names as names, of_network as of_network
