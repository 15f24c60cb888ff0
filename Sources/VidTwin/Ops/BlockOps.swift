import VidTwinKernels

// The three branches of a block, each as one op: a task takes a group of tokens through the whole
// branch while they are in its core's cache. Plain twins are the same branches made of the small
// ops (`modulatedLayerNorm`, `linear`, `selfAttention`, `gatedResidual`), which the tests hold them
// against. How tokens are cut into products depends on shapes only, so results do not depend on
// the number of threads.

/// `x + gate · projection(attention(qkv((1 + scale) · LN(x) + shift)))`, the tokens of a frame among
/// each other: `[B, T, S, C] -> [B, T, S, C]`.
package func spatialBranch(
    _ x: Tensor, _ modulation: Modulation, _ layer: SelfAttention
) -> Tensor {
    let (B, T, S, C) = x.shape4
    let (device, out) = (x.device, Tensor(x.shape, on: x.device))
    let (chunks, frames) = (Partition(rows: S, target: productRows), B * T)
    let (qkv, projection) = (layer.qkv.weight.matrix, layer.projection.weight.matrix)
    precondition(qkv.inputs == C && C % layer.heads == 0, "spatialBranch: \(x.shape)")
    let isNarrow =
        qkv.format != .float32
        && attendsInBFloat16(tokens: S, depth: C / layer.heads, stride: 3 * C, outStride: C)

    /// One chunk of a frame: norm and products into `queries`, all of the frame's `[S, 3C]`.
    func project(_ frame: Int, _ chunk: Int, into queries: Queries, _ workspace: Workspace) {
        let rows = chunks[chunk]
        let normal = workspace.floats(.rows, rows.count * C)
        workspace.measure(.norms) {
            kernels.layer_norm(
                x.pointer + (frame * S + rows.lowerBound) * C, nil, normal, rows.count, C,
                modulation.scale.pointer, 1, modulation.shift.pointer, 1e-6)
        }
        queries.write(normal, rows, qkv, bias: layer.qkv.bias.pointer, workspace)
    }
    /// One chunk of a frame: from what `attended` holds of the frame, `[S, C]`, to the result.
    func finish(
        _ frame: Int, _ chunk: Int, _ attended: UnsafePointer<Float>, _ workspace: Workspace
    ) {
        let rows = chunks[chunk]
        let (at, branch) = (
            (frame * S + rows.lowerBound) * C, workspace.floats(.branch, rows.count * C)
        )
        product(
            attended + rows.lowerBound * C, rows: rows.count, projection,
            bias: layer.projection.bias.pointer, into: branch, workspace)
        kernels.gated_residual(
            x.pointer + at, modulation.gate.pointer, branch, out.pointer + at, rows.count, C)
    }

    if frames % device.threads == 0 || frames >= 8 * device.threads {
        device.parallel(frames, .spatialAttention) { frame, workspace in
            let queries = Queries(
                workspace.floats(.qkv, S * 3 * C), tokens: S, isNarrow: isNarrow)
            for chunk in 0..<chunks.tasks { project(frame, chunk, into: queries, workspace) }
            let attended = workspace.floats(.timed, S * C)
            queries.attend(
                into: attended, width: C, 0..<layer.heads, depth: C / layer.heads, workspace)
            for chunk in 0..<chunks.tasks { finish(frame, chunk, attended, workspace) }
        }
        return out
    }
    // More threads than frames, or frames that they cannot share evenly: the same in smaller tasks.
    let (all, attended) = (
        Tensor([B, T, S, 3 * C], on: device), Tensor(x.shape, on: device)
    )
    func queries(_ frame: Int) -> Queries {
        Queries(all.pointer + frame * S * 3 * C, tokens: S, isNarrow: isNarrow)
    }
    device.parallel(frames * chunks.tasks, .spatialAttention) { task, workspace in
        let frame = task / chunks.tasks
        project(frame, task % chunks.tasks, into: queries(frame), workspace)
    }
    device.parallel(frames * layer.heads, .spatialAttention) { task, workspace in
        let (frame, head) = (task / layer.heads, task % layer.heads)
        queries(frame).attend(
            into: attended.pointer + frame * S * C, width: C, head..<head + 1,
            depth: C / layer.heads, workspace)
    }
    device.parallel(frames * chunks.tasks, .spatialAttention) { task, workspace in
        let frame = task / chunks.tasks
        finish(frame, task % chunks.tasks, attended.pointer + frame * S * C, workspace)
    }
    return out
}

/// Queries, keys and values of a frame's tokens, `[tokens, 3C]`: float32, or bfloat16 in the same
/// memory where attention is computed with that.
private struct Queries {
    private let memory: UnsafeMutablePointer<Float>
    private let tokens: Int
    private let isNarrow: Bool

    init(_ memory: UnsafeMutablePointer<Float>, tokens: Int, isNarrow: Bool) {
        (self.memory, self.tokens, self.isNarrow) = (memory, tokens, isNarrow)
    }

    private var narrow: UnsafeMutablePointer<UInt16> {
        UnsafeMutableRawPointer(memory).assumingMemoryBound(to: UInt16.self)
    }

    /// The product of `rows` of the tokens, `[rows, C]`.
    func write(
        _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ weights: PackedMatrix,
        bias: UnsafePointer<Float>, _ workspace: Workspace
    ) {
        let at = rows.lowerBound * weights.outputs
        let operand = Operand(x, rows: rows.count, for: weights, workspace)
        if !isNarrow {
            product(operand, rows: rows.count, weights, bias: bias, into: memory + at, workspace)
        } else if weights.format == .bfloat16 {
            product(
                operand, rows: rows.count, weights, bias: bias, intoBFloat16: narrow + at,
                workspace)
        } else {
            let wide = workspace.floats(.branch, rows.count * weights.outputs)
            product(operand, rows: rows.count, weights, bias: bias, into: wide, workspace)
            workspace.measure(.packing) {
                kernels.to_bf16(wide, narrow + at, rows.count * weights.outputs)
            }
        }
    }

    /// Attention of some heads into their columns of `[tokens, C]`.
    func attend(
        into out: UnsafeMutablePointer<Float>, width C: Int, _ heads: Range<Int>, depth: Int,
        _ workspace: Workspace
    ) {
        func rows<Element>(_ base: UnsafePointer<Element>, _ part: Int) -> Rows<Element> {
            Rows(base + part * C, stride: 3 * C, count: tokens)
        }
        if isNarrow {
            attention(
                rows(narrow, 0), rows(narrow, 1), rows(narrow, 2), into: out, outStride: C,
                heads: heads, depth: depth, workspace)
        } else {
            attention(
                rows(memory, 0), rows(memory, 1), rows(memory, 2), into: out, outStride: C,
                heads: heads, depth: depth, causal: false, workspace)
        }
    }
}

/// `x + gate · projection(attention(qkv(x + positions)))`, each position through time, causal where
/// the layer is: `[B, T, S, C] -> [B, T, S, C]`; `positions` `[1, T, C]` may be nil.
package func temporalBranch(
    _ x: Tensor, _ modulation: Modulation, _ layer: SelfAttention, positions: Parameter?
) -> Tensor {
    let (B, T, S, C) = x.shape4
    let (device, out) = (x.device, Tensor(x.shape, on: x.device))
    let (qkv, projection) = (layer.qkv.weight.matrix, layer.projection.weight.matrix)
    precondition(
        qkv.inputs == C && C % layer.heads == 0 && positions.map { $0.count == T * C } ?? true,
        "temporalBranch: \(x.shape)")
    let groups = Partition(rows: S, target: max(productRows / T, 1))
    device.parallel(B * groups.tasks, .temporalAttention) { task, workspace in
        let (first, places) = (task / groups.tasks * T * S, groups[task % groups.tasks])
        let (P, rows) = (places.count, T * places.count)
        /// Where the group's tokens of frame `t` are in x and out.
        func at(_ t: Int) -> Int { (first + t * S + places.lowerBound) * C }

        // The group's rows lie together, frame after frame: row t · P + p.
        let gathered = workspace.floats(.rows, rows * C)
        for t in 0..<T {
            if let positions {
                kernels.add_table(
                    x.pointer + at(t), positions.pointer + t * C, gathered + t * P * C, 0, P, C, P,
                    1)
            } else {
                (gathered + t * P * C).update(from: x.pointer + at(t), count: P * C)
            }
        }
        let queries = workspace.floats(.qkv, rows * 3 * C)
        product(gathered, rows: rows, qkv, bias: layer.qkv.bias.pointer, into: queries, workspace)
        let attended = workspace.floats(.timed, rows * C)
        for p in 0..<P {
            func part(_ index: Int) -> Rows<Float> {
                Rows(queries + (p * 3 + index) * C, stride: P * 3 * C, count: T)
            }
            attention(
                part(0), part(1), part(2), into: attended + p * C, outStride: P * C,
                heads: 0..<layer.heads, depth: C / layer.heads, causal: layer.causal, workspace)
        }
        let branch = workspace.floats(.branch, rows * C)
        product(
            attended, rows: rows, projection, bias: layer.projection.bias.pointer, into: branch,
            workspace)
        for t in 0..<T {
            kernels.gated_residual(
                x.pointer + at(t), modulation.gate.pointer, branch + t * P * C, out.pointer + at(t),
                P, C)
        }
    }
    return out
}

/// `x + gate · fc2(GELU(fc1((1 + scale) · LN(x) + shift)))`: `[..., C] -> [..., C]`.
package func mlpBranch(_ x: Tensor, _ modulation: Modulation, _ mlp: MLP) -> Tensor {
    let (C, out) = (x.dim(-1), Tensor(x.shape, on: x.device))
    let (fc1, fc2) = (mlp.fc1.weight.matrix, mlp.fc2.weight.matrix)
    precondition(fc1.inputs == C && fc2.outputs == C, "mlpBranch: \(x.shape)")
    let partition = Partition(rows: x.rows, target: productRows)
    x.device.parallel(partition.tasks, .mlp) { task, workspace in
        let (rows, at) = (partition[task].count, partition[task].lowerBound * C)
        let normal = workspace.floats(.rows, rows * C)
        workspace.measure(.norms) {
            kernels.layer_norm(
                x.pointer + at, nil, normal, rows, C, modulation.scale.pointer, 1,
                modulation.shift.pointer, 1e-6)
        }
        let (operand, branch) = (
            Operand(normal, rows: rows, for: fc1, workspace), workspace.floats(.branch, rows * C)
        )
        if case .bfloat16 = operand {
            let hidden = workspace.memory(.hidden, rows * fc1.outputs, of: UInt16.self)
            product(
                operand, rows: rows, fc1, bias: mlp.fc1.bias.pointer, intoBFloat16: hidden,
                activation: mlp.fc1.activation, workspace)
            product(
                .bfloat16(hidden), rows: rows, fc2, bias: mlp.fc2.bias.pointer, into: branch,
                workspace)
        } else {
            let hidden = workspace.floats(.hidden, rows * fc1.outputs)
            product(
                operand, rows: rows, fc1, bias: mlp.fc1.bias.pointer, into: hidden,
                activation: mlp.fc1.activation, workspace)
            product(
                hidden, rows: rows, fc2, bias: mlp.fc2.bias.pointer, into: branch, workspace)
        }
        kernels.gated_residual(
            x.pointer + at, modulation.gate.pointer, branch, out.pointer + at, rows, C)
    }
    return out
}
