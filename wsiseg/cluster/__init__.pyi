from .connecting import Cluster as Cluster
from .connecting import open_cluster as open_cluster
from .executing import OnCluster as OnCluster
from .options import ClusterOptions as ClusterOptions
