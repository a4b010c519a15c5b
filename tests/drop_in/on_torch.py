"""PyTorch's own ways to call, to compile and to differentiate the layer."""

from __future__ import annotations

import tempfile

import keras

from tests.drop_in.given import (
    FEATURES,
    MASK,
    TIME,
    UNITS,
    H,
    X,
    Y,
    built,
    compiled,
    everything,
    small_model,
    trained,
)
from tests.drop_in.judge import group

use = group("With torch's own tools", on=("torch",))


def parameters(layer):
    return [variable.value for variable in layer.trainable_variables]


@use("`loss.backward()`: inputs, state, weights")
def _(layers):
    import torch

    layer = everything(layers)
    x, h = (torch.tensor(a, requires_grad=True) for a in (X, H))
    outputs, state = layer(x, initial_state=h, mask=torch.tensor(MASK))
    ((outputs**2).sum() + state.sum()).backward()
    return [tensor.grad for tensor in (x, h, *parameters(layer))]


@use("a training loop of your own with `torch.optim` and a `DataLoader`")
def _(layers):
    import torch

    model = small_model(layers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    losses = []
    for x, y in torch.utils.data.DataLoader(data, batch_size=2):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss)
    return losses, model.get_weights()


@use("a `train_step` with torch's autograd in `fit`")
def _(layers):
    import torch

    class Model(keras.Sequential):
        def train_step(self, data):
            x, y = data
            self.zero_grad()
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            loss.backward()
            gradients = [v.value.grad for v in self.trainable_weights]
            with torch.no_grad():
                self.optimizer.apply(gradients, self.trainable_weights)
            return {"loss": loss}

    model = Model([keras.Input((TIME, FEATURES)), layers.GRU(UNITS), layers.Dense(1)])
    return trained(compiled(model))


@use("`fit` from a `DataLoader`")
def _(layers):
    import torch

    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    loader = torch.utils.data.DataLoader(data, batch_size=2)
    return trained(compiled(small_model(layers)), loader, None, batch_size=None)


@use("inside a `torch.nn.Module`: parameters, `state_dict`")
def _(layers):
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = built(layers)

        def forward(self, x):
            return self.gru(x).sum(-1)

    net = Net().to("cpu").eval()
    state = {name: w + 1 for name, w in net.state_dict().items()}
    with tempfile.TemporaryFile() as file:
        torch.save(state, file)
        file.seek(0)
        net.load_state_dict(torch.load(file))
    return [name for name, _ in net.named_parameters()], net(torch.tensor(X))


@use("`torch.no_grad`, `torch.inference_mode`")
def _(layers):
    import torch

    layer = built(layers)
    with torch.no_grad():
        first = layer(X)
    with torch.inference_mode():
        return first, layer(X), first.requires_grad


@use("`torch.autocast`", row="bfloat16")
def _(layers):
    import torch

    layer = built(layers)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return layer(X).float()


@use("hooks before, after and backward")
def _(layers):
    import torch

    layer, seen = built(layers), []
    layer.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    layer.register_forward_hook(lambda module, given, result: seen.append(result))
    x = torch.tensor(X, requires_grad=True)
    x.register_hook(seen.append)
    layer(x).sum().backward()
    return seen


@use("`create_graph=True`: a penalty on the gradient; under a mask")
def _(layers):
    import torch

    results = []
    for options, mask in (({}, None), ({"reset_after": False}, torch.tensor(MASK))):
        layer = built(layers, **options)
        x = torch.tensor(X, requires_grad=True)
        loss = (layer(x, mask=mask) ** 2).sum()
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
        results += torch.autograd.grad((gradient**2).sum(), parameters(layer))
    return results


@use("`torch.autograd.functional.hessian`, `torch.func.hessian`")
def _(layers):
    import torch

    layer, x = built(layers), torch.tensor(X[:1, :3])

    def loss(x):
        return (layer(x) ** 2).sum()

    return torch.autograd.functional.hessian(loss, x), torch.func.hessian(loss)(x)


@use("`torch.func.grad`, `torch.func.jacrev`")
def _(layers):
    import torch

    layer, x = built(layers), torch.tensor(X)
    gradient = torch.func.grad(lambda x: (layer(x) ** 2).sum())(x)
    return gradient, torch.func.jacrev(layer)(x[:1])


@use("`torch.func.jvp`, `torch.func.jacfwd`, `forward_ad`")
def _(layers):
    import torch
    from torch.autograd import forward_ad

    layer, x = built(layers), torch.tensor(X)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, x))).tangent
    return torch.func.jvp(layer, (x,), (x,)), torch.func.jacfwd(layer)(x[:1]), dual


@use("`torch.func.vmap` over inputs")
def _(layers):
    import torch

    x = torch.tensor(X)
    return torch.func.vmap(built(layers))(torch.stack([x, -x]))


@use("`torch.func.functional_call` and `vmap(grad)`: gradients of each example")
def _(layers):
    import torch

    layer, x = built(layers), torch.tensor(X)
    weights = {n: p.detach() for n, p in layer.named_parameters() if p.requires_grad}

    def loss(weights, x):
        return (torch.func.functional_call(layer, weights, (x[None],)) ** 2).sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)
    return loss({n: 2 * w for n, w in weights.items()}, x[0]), list(each.values())


@use("`torch.utils.checkpoint`")
def _(layers):
    import torch
    from torch.utils.checkpoint import checkpoint

    layer, x = built(layers), torch.tensor(X, requires_grad=True)
    checkpoint(layer, x, use_reentrant=False).sum().backward()
    return [tensor.grad for tensor in (x, *parameters(layer))]


@use("`torch.compile`, gradients included")
def _(layers):
    import torch

    torch.compiler.reset()
    layer, x = built(layers), torch.tensor(X, requires_grad=True)
    call = torch.compile(layer, fullgraph=True, backend="aot_eager")
    call(x).sum().backward()
    return call(x), [tensor.grad for tensor in (x, *parameters(layer))]


@use("`torch.jit.trace`")
def _(layers):
    import torch

    x = torch.tensor(X)
    return [
        torch.jit.trace(built(layers, unroll=unroll).eval(), x)(2 * x)
        for unroll in (False, True)
    ]


@use("`torch.export`")
def _(layers):
    import torch

    x = torch.tensor(X)
    return torch.export.export(small_model(layers).eval(), (x,)).module()(2 * x)
