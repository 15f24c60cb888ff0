/// Two linear layers with GELU (tanh) between them.
package struct MLP {
    let fc1, fc2: Linear

    package init(_ weights: Weights, width: Int, hidden: Int) {
        fc1 = Linear(weights / "fc1", width, hidden, activation: .geluTanh)
        fc2 = Linear(weights / "fc2", hidden, width)
    }

    /// `[..., C] -> [..., C]`
    package func callAsFunction(_ x: Tensor) -> Tensor { fc2(fc1(x)) }
}
