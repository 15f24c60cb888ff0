import VidTwinKernels

/// `activation(conv(x) + b)` by the library's convolutions, or nil where it has none for this CPU and
/// shape or the weights are held otherwise: `[N, T, H, W, I] -> [N, T', H', W', O]`.
///
/// A task takes a picture or clip. Gradients of weights are summed in at most eight parts, whatever the
/// number of threads.
func directConvolution(
    _ x: Tensor, _ weight: Parameter, _ bias: Parameter?, _ window: Window, _ activation: Activation
) -> Tensor? {
    guard let values = weight.trainable, activation == .none || activation == .relu else {
        return nil
    }
    let (N, I, O) = (x.dim(0), x.dim(-1), weight.shape[0])
    let input = Array(x.shape[1..<4])
    let output = window.output(input)
    // Pictures are pictures to the library, not clips of one frame.
    let first = input[0] == 1 && window.kernel[0] == 1 ? 1 : 0
    let shape = ConvolutionShape(
        count: 1, input: Array(input[first...]), output: Array(output[first...]), channels: I,
        outputs: O, kernel: Array(window.kernel[first...]), stride: Array(window.stride[first...]),
        padding: Array(window.padding[first...]),
        isNarrow: values.format == .bfloat16 && ProductSupport.hasBFloat16)
    let product = ConvolutionProduct.forward(bias: bias != nil, relu: activation == .relu)
    guard let forward = libraryConvolution(shape, product) else { return nil }
    let out = Tensor([N] + output + [O], on: x.device)
    let packed = values.weights(of: forward)
    x.device.parallel(N, .convolution) { n, workspace in
        withOperand(x, n, 1, shape.isNarrow, .operand, workspace) { operand in
            forward.run(
                input: operand, weights: packed.pointer, bias: bias?.pointer,
                output: out.pointer + n * shape.outputCount, product, workspace)
        }
    }
    guard let tape = x.tape else { return out }
    let (rectified, outputs) = (activation == .relu ? out : nil, out.shape)
    return tape.record(out) { d in
        let d = rectified.map { activationGradient($0, d, .relu) } ?? d
        if x.node?.wantsGradient ?? false {
            tape.add(directLeadBack(d, weight, window, shape, like: x), to: x)
        }
        if let gradient = weight.gradient(on: tape) {
            addDirectGradient(d.reshaped(outputs), x, weight, window, shape, to: gradient)
        }
        if let bias { addBiasGradient(d, bias, on: tape) }
    }
}

private func directLeadBack(
    _ d: Tensor, _ weight: Parameter, _ window: Window, _ shape: ConvolutionShape, like x: Tensor
) -> Tensor {
    guard let values = weight.trainable,
        let back = libraryConvolution(shape, .backwardData)
    else { return convolutionLeadBack(d, weight, window, like: x) }
    let (dx, packed) = (Tensor(x.shape, on: x.device), values.weights(of: back))
    let d = d.reshaped([x.dim(0), d.count / x.dim(0)])
    x.device.parallel(x.dim(0), .convolution) { n, workspace in
        withOperand(d, n, 1, shape.isNarrow, .operand, workspace) { operand in
            back.run(
                input: dx.pointer + n * shape.inputCount, weights: packed.pointer, bias: nil,
                output: operand, .backwardData, workspace)
        }
    }
    return dx
}

private func addDirectGradient(
    _ d: Tensor, _ x: Tensor, _ weight: Parameter, _ window: Window, _ shape: ConvolutionShape,
    to gradient: UnsafeMutablePointer<Float>
) {
    let N = x.dim(0)
    let parts = Partition(rows: N, target: (N + 7) / 8)
    func product(_ count: Int) -> (any DirectConvolution)? {
        var shape = shape
        shape.count = count
        return libraryConvolution(shape, .backwardWeights)
    }
    let products = Dictionary(
        uniqueKeysWithValues: Set((0..<parts.tasks).map { parts[$0].count }).compactMap {
            count in product(count).map { (count, $0) }
        })
    guard let any = products.values.first,
        (0..<parts.tasks).allSatisfy({ products[parts[$0].count] != nil })
    else {
        addConvolutionGradient(d, x, weight, window, to: gradient)
        return
    }
    let bytes = products.values.map(\.weightBytes).max() ?? any.weightBytes
    let sums = (0..<parts.tasks).map { _ in Tensor([(bytes + 3) / 4], on: x.device) }
    let plain = (0..<parts.tasks).map { _ in Tensor(weight.shape, on: x.device) }
    x.device.parallel(parts.tasks, .convolution) { task, workspace in
        guard let product = products[parts[task].count] else { return }
        let (n, count) = (parts[task].lowerBound, parts[task].count)
        withOperand(x, n, count, shape.isNarrow, .operand, workspace) { input in
            withOperand(d, n, count, shape.isNarrow, .hidden, workspace) { output in
                product.run(
                    input: input, weights: sums[task].pointer, bias: nil, output: output,
                    .backwardWeights, workspace)
            }
        }
        do {
            try product.unpack(sums[task].pointer, into: plain[task].pointer)
        } catch {
            TaskFailure.note(error)
        }
    }
    let elements = Partition(rows: weight.count, target: 1 << 14)
    x.device.parallel(elements.tasks, .convolution) { task, _ in
        let (at, count) = (elements[task].lowerBound, elements[task].count)
        for part in plain { kernels.add(gradient + at, part.pointer + at, gradient + at, count) }
    }
}

/// Calls `body` with `count` of the first axis' entries from `first` on, in the element that is
/// multiplied: rounded into a slot of the workspace, or as they are.
private func withOperand(
    _ x: Tensor, _ first: Int, _ count: Int, _ isNarrow: Bool, _ slot: Workspace.Slot,
    _ workspace: Workspace, _ body: (UnsafeMutableRawPointer) -> Void
) {
    let each = x.count / x.dim(0)
    let from = x.pointer + first * each
    guard isNarrow else { return body(UnsafeMutableRawPointer(from)) }
    let narrow = workspace.memory(slot, count * each, of: UInt16.self)
    workspace.measure(.packing) { kernels.to_bf16(from, narrow, count * each) }
    body(UnsafeMutableRawPointer(narrow))
}
