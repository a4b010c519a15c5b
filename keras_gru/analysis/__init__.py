"""Looking inside of a recurrent layer: its gates, and what its gradients pass.

`gates` and `gradient_flow` take a layer, or a model and the name of a layer in it, and
inputs; `GateMonitor` and `GradientFlowMonitor` do the same during `model.fit`.
"""

from keras_gru.analysis.gates import Gates as Gates
from keras_gru.analysis.gates import gates as gates
from keras_gru.analysis.gradient_flow import GradientFlow as GradientFlow
from keras_gru.analysis.gradient_flow import gradient_flow as gradient_flow
from keras_gru.analysis.monitors import GateMonitor as GateMonitor
from keras_gru.analysis.monitors import GradientFlowMonitor as GradientFlowMonitor

__all__ = [
    "GateMonitor",
    "Gates",
    "GradientFlow",
    "GradientFlowMonitor",
    "gates",
    "gradient_flow",
]
