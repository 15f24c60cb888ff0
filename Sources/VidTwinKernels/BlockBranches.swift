import CVidTwinKernels

// The three branches of a block, a task's part of each: a group of tokens goes through the whole branch
// while it is in its core's cache. Which precision a matrix has is known here and nowhere above.

/// A packed matrix, its bias and what follows: `f(x · Wᵀ + b)`.
package struct PackedLinear {
    package let matrix: PackedMatrix
    package let bias: UnsafePointer<Float>
    package let activation: Activation

    package init(
        _ matrix: PackedMatrix, bias: UnsafePointer<Float>, activation: Activation = .none
    ) {
        (self.matrix, self.bias, self.activation) = (matrix, bias, activation)
    }
}

/// Rows of a block's table: `LN(x) · (1 + scale) + shift` goes in, `x + gate · result` comes out.
package struct BranchModulation {
    package let shift, scale, gate: UnsafePointer<Float>

    package init(
        shift: UnsafePointer<Float>, scale: UnsafePointer<Float>, gate: UnsafePointer<Float>
    ) {
        (self.shift, self.scale, self.gate) = (shift, scale, gate)
    }

    /// The modulated norm of `rows` rows of `width`, in the workspace's `.rows`.
    fileprivate func normalise(
        _ x: UnsafePointer<Float>, rows: Int, width: Int, _ workspace: Workspace
    ) -> UnsafeMutablePointer<Float> {
        let normal = workspace.floats(.rows, rows * width)
        workspace.measure(.norms) {
            kernels.layer_norm(x, nil, normal, rows, width, scale, 1, shift, 1e-6)
        }
        return normal
    }
}

/// `x + gate · projection(attention(qkv((1 + scale) · LN(x) + shift)))` among the tokens of a frame, in
/// steps: `project` chunks of the frame, `attend`, `finish` the chunks.
package struct SpatialBranch {
    private let modulation: BranchModulation
    private let qkv, projection: PackedLinear
    private let tokens, width, depth: Int
    private let isNarrow: Bool

    /// - Precondition: `qkv` is `[3 · width, width]`, and `heads` divide the width.
    package init(
        _ modulation: BranchModulation, qkv: PackedLinear, projection: PackedLinear, heads: Int,
        tokens: Int
    ) {
        (self.modulation, self.qkv, self.projection) = (modulation, qkv, projection)
        (self.tokens, width) = (tokens, qkv.matrix.inputs)
        depth = width / heads
        isNarrow =
            qkv.matrix.format != .float32
            && attendsInBFloat16(
                tokens: tokens, depth: depth, stride: 3 * width, outStride: width)
    }

    /// Norm and products of rows of a frame `x` `[tokens, width]` into the frame's queries, keys and
    /// values: `[tokens, 3 · width]` floats, or bfloat16 in the same memory.
    package func project(
        _ x: UnsafePointer<Float>, _ rows: Range<Int>, into queries: UnsafeMutablePointer<Float>,
        _ workspace: Workspace
    ) {
        let normal = modulation.normalise(
            x + rows.lowerBound * width, rows: rows.count, width: width, workspace)
        let (weights, at) = (qkv.matrix, rows.lowerBound * 3 * width)
        let operand = Operand(normal, rows: rows.count, for: weights, workspace)
        if !isNarrow {
            product(
                operand, rows: rows.count, weights, bias: qkv.bias, into: queries + at, workspace)
        } else if weights.format == .bfloat16 {
            product(
                operand, rows: rows.count, weights, bias: qkv.bias,
                intoBFloat16: narrow(queries) + at, workspace)
        } else {
            let wide = workspace.floats(.branch, rows.count * weights.outputs)
            product(operand, rows: rows.count, weights, bias: qkv.bias, into: wide, workspace)
            workspace.measure(.packing) {
                kernels.to_bf16(wide, narrow(queries) + at, rows.count * weights.outputs)
            }
        }
    }

    /// Attention of some heads of a frame into their columns of `out` `[tokens, width]`.
    package func attend(
        _ queries: UnsafeMutablePointer<Float>, _ heads: Range<Int>,
        into out: UnsafeMutablePointer<Float>, _ workspace: Workspace
    ) {
        func rows<Element>(_ base: UnsafePointer<Element>, _ part: Int) -> Rows<Element> {
            Rows(base + part * width, stride: 3 * width, count: tokens)
        }
        if isNarrow {
            let q = UnsafePointer(narrow(queries))
            attention(
                rows(q, 0), rows(q, 1), rows(q, 2), into: out, outStride: width, heads: heads,
                depth: depth, workspace)
        } else {
            let q = UnsafePointer(queries)
            attention(
                rows(q, 0), rows(q, 1), rows(q, 2), into: out, outStride: width, heads: heads,
                depth: depth, causal: false, workspace)
        }
    }

    /// From what `attend` made of a frame to rows of the result `out` `[tokens, width]`.
    package func finish(
        _ x: UnsafePointer<Float>, _ attended: UnsafePointer<Float>, _ rows: Range<Int>,
        into out: UnsafeMutablePointer<Float>, _ workspace: Workspace
    ) {
        let at = rows.lowerBound * width
        let branch = workspace.floats(.branch, rows.count * width)
        product(
            attended + at, rows: rows.count, projection.matrix, bias: projection.bias, into: branch,
            workspace)
        kernels.gated_residual(x + at, modulation.gate, branch, out + at, rows.count, width)
    }

    private func narrow(_ memory: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<UInt16> {
        UnsafeMutableRawPointer(memory).assumingMemoryBound(to: UInt16.self)
    }
}

/// `x + gate · projection(attention(qkv(x + positions)))`, each position through time.
package struct TemporalBranch {
    private let gate: UnsafePointer<Float>
    private let qkv, projection: PackedLinear
    private let positions: UnsafePointer<Float>?
    private let frames, tokens, width, heads: Int
    private let causal: Bool

    /// A clip is `[frames, tokens, width]`; `positions` `[frames, width]` may be nil.
    package init(
        gate: UnsafePointer<Float>, qkv: PackedLinear, projection: PackedLinear, heads: Int,
        causal: Bool, positions: UnsafePointer<Float>?, frames: Int, tokens: Int
    ) {
        (self.gate, self.qkv, self.projection, self.heads) = (gate, qkv, projection, heads)
        (self.causal, self.positions) = (causal, positions)
        (self.frames, self.tokens, width) = (frames, tokens, qkv.matrix.inputs)
    }

    /// Takes a group of positions of a clip through the branch.
    package func callAsFunction(
        _ x: UnsafePointer<Float>, _ places: Range<Int>, into out: UnsafeMutablePointer<Float>,
        _ workspace: Workspace
    ) {
        let (C, P, rows) = (width, places.count, frames * places.count)
        /// Where the group's tokens of frame `t` are in x and out.
        func at(_ t: Int) -> Int { (t * tokens + places.lowerBound) * C }

        // The group's rows lie together, frame after frame: row t · P + p.
        let gathered = workspace.floats(.rows, rows * C)
        for t in 0..<frames {
            if let positions {
                kernels.add_table(
                    x + at(t), positions + t * C, gathered + t * P * C, 0, P, C, P, 1)
            } else {
                (gathered + t * P * C).update(from: x + at(t), count: P * C)
            }
        }
        let queries = workspace.floats(.qkv, rows * 3 * C)
        product(gathered, rows: rows, qkv.matrix, bias: qkv.bias, into: queries, workspace)
        let attended = workspace.floats(.timed, rows * C)
        for p in 0..<P {
            func part(_ index: Int) -> Rows<Float> {
                Rows(queries + (p * 3 + index) * C, stride: P * 3 * C, count: frames)
            }
            attention(
                part(0), part(1), part(2), into: attended + p * C, outStride: P * C,
                heads: 0..<heads, depth: C / heads, causal: causal, workspace)
        }
        let branch = workspace.floats(.branch, rows * C)
        product(
            attended, rows: rows, projection.matrix, bias: projection.bias, into: branch, workspace)
        for t in 0..<frames {
            kernels.gated_residual(x + at(t), gate, branch + t * P * C, out + at(t), P, C)
        }
    }
}

/// `x + gate · fc2(GELU(fc1((1 + scale) · LN(x) + shift)))`, row by row.
package struct MLPBranch {
    private let modulation: BranchModulation
    private let fc1, fc2: PackedLinear

    package init(_ modulation: BranchModulation, fc1: PackedLinear, fc2: PackedLinear) {
        (self.modulation, self.fc1, self.fc2) = (modulation, fc1, fc2)
    }

    /// Takes `rows` rows from `x` on through the branch.
    package func callAsFunction(
        _ x: UnsafePointer<Float>, rows: Int, into out: UnsafeMutablePointer<Float>,
        _ workspace: Workspace
    ) {
        let C = fc1.matrix.inputs
        let normal = modulation.normalise(x, rows: rows, width: C, workspace)
        let operand = Operand(normal, rows: rows, for: fc1.matrix, workspace)
        let branch = workspace.floats(.branch, rows * C)
        if case .bfloat16 = operand {
            let hidden = workspace.memory(.hidden, rows * fc1.matrix.outputs, of: UInt16.self)
            product(
                operand, rows: rows, fc1.matrix, bias: fc1.bias, intoBFloat16: hidden,
                activation: fc1.activation, workspace)
            product(
                .bfloat16(hidden), rows: rows, fc2.matrix, bias: fc2.bias, into: branch, workspace)
        } else {
            let hidden = workspace.floats(.hidden, rows * fc1.matrix.outputs)
            product(
                operand, rows: rows, fc1.matrix, bias: fc1.bias, into: hidden,
                activation: fc1.activation, workspace)
            product(hidden, rows: rows, fc2.matrix, bias: fc2.bias, into: branch, workspace)
        }
        kernels.gated_residual(x, modulation.gate, branch, out, rows, C)
    }
}
