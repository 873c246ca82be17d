from .datasets.opening import open_data as open_data
from .evaluating import EvaluateOptions as EvaluateOptions
from .evaluating import evaluate as evaluate
from .evaluating import write_scores as write_scores
from .fitting import TrainResult as TrainResult
from .fitting import train as train
from .options import DataOptions as DataOptions
from .options import TrainOptions as TrainOptions
