package import VidTwinKernels

// The three branches of a block, each as one op: accelerators of the formulas that `STBlock` states, for
// passes that nothing records. How tokens are cut into products depends on shapes only, so results do
// not depend on the number of threads.

/// A matrix and its bias, as a branch multiplies: `f(x · Wᵀ + b)`.
package struct BranchLinear {
    fileprivate let weight, bias: Parameter
    fileprivate let activation: Activation

    package init(_ weight: Parameter, _ bias: Parameter, activation: Activation = .none) {
        (self.weight, self.bias, self.activation) = (weight, bias, activation)
    }

    fileprivate var packed: PackedLinear {
        PackedLinear(weight.matrix, bias: bias.pointer, activation: activation)
    }
}

/// `x + gate · projection(attention(qkv((1 + scale) · LN(x) + shift)))`, the tokens of a frame among
/// each other: `[B, T, S, C] -> [B, T, S, C]`.
package func spatialBranch(
    _ x: Tensor, shift: Parameter.Row, scale: Parameter.Row, gate: Parameter.Row,
    qkv: BranchLinear, projection: BranchLinear, heads: Int
) -> Tensor {
    let (B, T, S, C) = x.shape4
    precondition(qkv.weight.matrix.inputs == C && C % heads == 0, "spatialBranch: \(x.shape)")
    let (device, out) = (x.device, Tensor(x.shape, on: x.device))
    let (chunks, frames) = (Partition(rows: S, target: productRows), B * T)
    let branch = SpatialBranch(
        BranchModulation(shift: shift.pointer, scale: scale.pointer, gate: gate.pointer),
        qkv: qkv.packed, projection: projection.packed, heads: heads, tokens: S)
    func input(_ frame: Int) -> UnsafePointer<Float> { UnsafePointer(x.pointer + frame * S * C) }
    func output(_ frame: Int) -> UnsafeMutablePointer<Float> { out.pointer + frame * S * C }

    if frames % device.threads == 0 || frames >= 8 * device.threads {
        device.parallel(frames, .spatialAttention) { frame, workspace in
            let queries = workspace.floats(.qkv, S * 3 * C)
            for chunk in 0..<chunks.tasks {
                branch.project(input(frame), chunks[chunk], into: queries, workspace)
            }
            let attended = workspace.floats(.timed, S * C)
            branch.attend(queries, 0..<heads, into: attended, workspace)
            for chunk in 0..<chunks.tasks {
                branch.finish(
                    input(frame), attended, chunks[chunk], into: output(frame), workspace)
            }
        }
        return out
    }
    // More threads than frames, or frames that they cannot share evenly: the same in smaller tasks.
    let (all, attended) = (
        Tensor([B, T, S, 3 * C], on: device), Tensor(x.shape, on: device)
    )
    device.parallel(frames * chunks.tasks, .spatialAttention) { task, workspace in
        let frame = task / chunks.tasks
        branch.project(
            input(frame), chunks[task % chunks.tasks], into: all.pointer + frame * S * 3 * C,
            workspace)
    }
    device.parallel(frames * heads, .spatialAttention) { task, workspace in
        let (frame, head) = (task / heads, task % heads)
        branch.attend(
            all.pointer + frame * S * 3 * C, head..<head + 1,
            into: attended.pointer + frame * S * C, workspace)
    }
    device.parallel(frames * chunks.tasks, .spatialAttention) { task, workspace in
        let frame = task / chunks.tasks
        branch.finish(
            input(frame), attended.pointer + frame * S * C, chunks[task % chunks.tasks],
            into: output(frame), workspace)
    }
    return out
}

/// `x + gate · projection(attention(qkv(x + positions)))`, each position through time, causal or not:
/// `[B, T, S, C] -> [B, T, S, C]`; `positions` `[1, T, C]` may be nil.
package func temporalBranch(
    _ x: Tensor, gate: Parameter.Row, qkv: BranchLinear, projection: BranchLinear, heads: Int,
    causal: Bool, positions: Parameter?
) -> Tensor {
    let (B, T, S, C) = x.shape4
    precondition(
        qkv.weight.matrix.inputs == C && C % heads == 0
            && positions.map { $0.count == T * C } ?? true, "temporalBranch: \(x.shape)")
    let out = Tensor(x.shape, on: x.device)
    let branch = TemporalBranch(
        gate: gate.pointer, qkv: qkv.packed, projection: projection.packed, heads: heads,
        causal: causal, positions: positions?.pointer, frames: T, tokens: S)
    let groups = Partition(rows: S, target: max(productRows / T, 1))
    x.device.parallel(B * groups.tasks, .temporalAttention) { task, workspace in
        let clip = task / groups.tasks * T * S * C
        branch(
            x.pointer + clip, groups[task % groups.tasks], into: out.pointer + clip, workspace)
    }
    return out
}

/// `x + gate · fc2(GELU(fc1((1 + scale) · LN(x) + shift)))`: `[..., C] -> [..., C]`.
package func mlpBranch(
    _ x: Tensor, shift: Parameter.Row, scale: Parameter.Row, gate: Parameter.Row,
    fc1: BranchLinear, fc2: BranchLinear
) -> Tensor {
    let (C, out) = (x.dim(-1), Tensor(x.shape, on: x.device))
    precondition(
        fc1.weight.matrix.inputs == C && fc2.weight.matrix.outputs == C, "mlpBranch: \(x.shape)")
    let branch = MLPBranch(
        BranchModulation(shift: shift.pointer, scale: scale.pointer, gate: gate.pointer),
        fc1: fc1.packed, fc2: fc2.packed)
    let partition = Partition(rows: x.rows, target: productRows)
    x.device.parallel(partition.tasks, .mlp) { task, workspace in
        let rows = partition[task]
        branch(
            x.pointer + rows.lowerBound * C, rows: rows.count,
            into: out.pointer + rows.lowerBound * C, workspace)
    }
    return out
}
