"""The networks, one file each; importing this package registers them all."""

from wsiseg.models.networks import bisenetv1 as bisenetv1
from wsiseg.models.networks import bisenetv2 as bisenetv2
from wsiseg.models.networks import cgnet as cgnet
from wsiseg.models.networks import dabnet as dabnet
from wsiseg.models.networks import ddrnet as ddrnet
from wsiseg.models.networks import deeplabv2 as deeplabv2
from wsiseg.models.networks import enet as enet
from wsiseg.models.networks import erfnet as erfnet
from wsiseg.models.networks import espnet as espnet
from wsiseg.models.networks import espnet_c as espnet_c
from wsiseg.models.networks import espnetv2 as espnetv2
from wsiseg.models.networks import fast_scnn as fast_scnn
from wsiseg.models.networks import fcn8s as fcn8s
from wsiseg.models.networks import icnet as icnet
from wsiseg.models.networks import pidnet as pidnet
from wsiseg.models.networks import pp_liteseg as pp_liteseg
from wsiseg.models.networks import pspnet as pspnet
from wsiseg.models.networks import rdrnet as rdrnet
from wsiseg.models.networks import segnet as segnet
from wsiseg.models.networks import sqnet as sqnet
from wsiseg.models.networks import stdc as stdc
from wsiseg.models.networks import ynet as ynet
