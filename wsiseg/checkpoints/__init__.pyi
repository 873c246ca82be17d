from .loading import find_checkpoint as find_checkpoint
from .loading import load_checkpoint as load_checkpoint
from .loading import take_checkpoint as take_checkpoint
from .sources import settle_source as settle_source
