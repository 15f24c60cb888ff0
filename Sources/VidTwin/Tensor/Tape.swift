/// What ops did, so that gradients can be led back through it: the array of their derivatives, in
/// order.
///
/// The data carries the tape: `watch` marks a tensor, and an op whose input is marked records its
/// derivative and marks its output. Nothing else changes: an unmarked forward pass makes no closure
/// and keeps nothing. One thread at a time.
package final class Tape: @unchecked Sendable {
    /// Whether parameters get gradients; without, only what is watched does (a loss network that is
    /// led through).
    package let trainsParameters: Bool
    /// Whether `recomputed` keeps its input alone and does its work again on the way back.
    package let recomputes: Bool

    /// Called when a step of the way back is done and the gradients that it adds to parameters are there.
    package var stepped: (() -> Void)?

    private struct Step {
        let node: Node
        let back: (Tensor) -> Void
    }
    private var steps: [Step] = []

    package init(trainsParameters: Bool = true, recomputes: Bool = false) {
        (self.trainsParameters, self.recomputes) = (trainsParameters, recomputes)
    }

    /// The place of a marked tensor.
    package final class Node: @unchecked Sendable {
        /// The tape; nil when it is gone, and nothing is recorded any more.
        package private(set) weak var tape: Tape?
        /// Whether anybody asks for this tensor's gradient.
        package let wantsGradient: Bool
        fileprivate var gradient: Tensor?

        fileprivate init(_ tape: Tape, wantsGradient: Bool) {
            (self.tape, self.wantsGradient) = (tape, wantsGradient)
        }
    }

    /// The same tensor, marked. Without `gradient`, its own is not wanted: only parameters that it
    /// meets get theirs.
    package func watch(_ x: Tensor, gradient: Bool = true) -> Tensor {
        x.marked(Node(self, wantsGradient: gradient))
    }

    /// Marks an op's output. `back` gets the output's gradient when it is known, and adds what follows
    /// from it to the inputs' (`add(_:to:)`) and to parameters'; it is not called where nothing led
    /// back to the output.
    package func record(_ output: Tensor, _ back: @escaping (Tensor) -> Void) -> Tensor {
        let node = Node(self, wantsGradient: true)
        steps.append(Step(node: node, back: back))
        return output.marked(node)
    }

    /// Adds to the gradient of a tensor; does nothing for one that is not marked or does not want it.
    package func add(_ gradient: @autoclosure () -> Tensor, to x: Tensor) {
        guard let node = x.node, node.wantsGradient else { return }
        let more = gradient()
        precondition(more.count == x.count, "gradient \(more.shape) of \(x.shape)")
        add(more, to: node)
    }

    /// The same where the place of a tensor is kept and its values are not.
    package func add(_ gradient: @autoclosure () -> Tensor, to node: Node?) {
        guard let node, node.wantsGradient else { return }
        let more = gradient()
        node.gradient = node.gradient.map { sum($0, more) } ?? more.unmarked
    }

    /// Leads gradients back from the ends of what was recorded to its beginnings and to parameters.
    /// What was recorded is given back on the way.
    package func backward(_ ends: [(tensor: Tensor, gradient: Tensor)]) {
        for end in ends { add(end.gradient, to: end.tensor) }
        while let step = steps.popLast() {
            guard let gradient = step.node.gradient else { continue }
            step.node.gradient = nil
            step.back(gradient)
            stepped?()
        }
    }

    /// What reached a watched tensor, in its shape; nil where nothing did.
    package func gradient(of x: Tensor) -> Tensor? { x.node?.gradient?.reshaped(x.shape) }

    /// Forgets what was recorded.
    package func discard() { steps.removeAll() }
}

extension Tensor {
    /// The tape that records what is done with this tensor, or nil.
    package var tape: Tape? { node?.tape }
}

/// Does `body` on a tensor; a tape that recomputes keeps `x` alone, and does it again on the way back.
package func recomputed(_ x: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor {
    guard let tape = x.tape, tape.recomputes else { return body(x) }
    return tape.record(body(x.unmarked)) { d in
        let inner = Tape(trainsParameters: tape.trainsParameters)
        let start = inner.watch(x.unmarked, gradient: x.node?.wantsGradient ?? false)
        inner.backward([(body(start), d)])
        if let gradient = inner.gradient(of: start) { tape.add(gradient, to: x) }
    }
}

/// A formula and its accelerator: `fast` where nothing is recorded, else the small ops of `formula`.
package func fused(
    _ x: Tensor, as formula: (Tensor) -> Tensor, fast: (Tensor) -> Tensor
) -> Tensor {
    x.tape == nil ? fast(x) : formula(x)
}
