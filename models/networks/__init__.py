"""The networks, one file each; importing this package registers them all."""

from wsiseg.models.networks import espnet as espnet
from wsiseg.models.networks import espnetv2 as espnetv2
