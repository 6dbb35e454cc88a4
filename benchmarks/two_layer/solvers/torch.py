import torch
from benchmark_utils import NetSolver


class Solver(NetSolver):
    """PyTorch, full batches in float64, (1/m) sum_j a_j relu(b_j'x) from a start with a = ±1.

    optimizer : "GD", with a step of m times the rate, as the mean field has it; or "Adam"
    """

    name = "torch"
    requirements = ["pip::torch"]
    parameters = {"optimizer, rate": [("GD", 0.5), ("Adam", 0.03)]}
    parameter_template = "{optimizer}"

    def run(self, n_iter):
        torch.set_num_threads(1)
        generator = torch.Generator().manual_seed(self.seed)
        X, y = torch.from_numpy(self.X), torch.from_numpy(self.y)
        m = self.n_neurons
        B = torch.randn((X.shape[1], m), generator=generator, dtype=X.dtype)
        B /= B.norm(dim=0)
        a = torch.ones(m, dtype=X.dtype)
        a[1::2] = -1
        B[:, 1::2] = B[:, : m - m % 2 : 2]  # pairs that cancel
        B.requires_grad_()
        a.requires_grad_()
        if self.optimizer == "GD":
            optimizer = torch.optim.SGD([a, B], lr=self.rate * m)
        else:
            optimizer = torch.optim.Adam([a, B], lr=self.rate)

        def net():
            return torch.relu(X @ B) @ a / m

        for _ in range(n_iter):
            optimizer.zero_grad()
            loss = 0.5 * ((net() - y) ** 2).mean()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            self.fitted = net().numpy()

    def get_result(self):
        return {"fitted": self.fitted}
