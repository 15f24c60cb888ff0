import VidTwinKernels

/// Where weights come from: a checkpoint file, or anything else that knows names and shapes.
package protocol WeightSource: Sendable {
    /// For messages: a file's path.
    var path: String { get }
    /// Every name with its shape.
    var shapes: [String: [Int]] { get }
    /// Writes a tensor's values as float32 in row-major order; called from several threads.
    func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) throws
    /// Calls `body` with a tensor's values as they are stored, where that is a narrow form which can be
    /// packed as it is; the values are checked.
    ///
    /// - Returns: whether it was called.
    func withStored(_ name: String, _ body: (StoredWeights) throws -> Void) throws -> Bool
}

extension WeightSource {
    /// Most sources have float32 only.
    package func withStored(
        _ name: String, _ body: (StoredWeights) throws -> Void
    ) throws -> Bool { false }
}

/// Values in a narrow form, in row-major order.
package enum StoredWeights {
    case bfloat16(UnsafePointer<UInt16>)
    /// Whole numbers of −127…127 that stand for their product with their row's scale.
    case int8(UnsafePointer<Int8>, scales: UnsafePointer<Float>)
}

/// A cursor into the weights of a model that is being built: layers take their parameters by
/// PyTorch name and shape, and what was handed out is the list of the model's parameters.
package struct Weights {
    private let plan: WeightPlan
    private let prefix: String
    private let narrowest: WeightFormat

    package init(_ plan: WeightPlan) {
        self.init(plan: plan, prefix: "", narrowest: .bfloat16)
    }

    private init(plan: WeightPlan, prefix: String, narrowest: WeightFormat) {
        self.plan = plan
        self.prefix = prefix
        self.narrowest = narrowest
    }

    /// The same place, from which matrices may be held in 8 bits.
    package var quantisable: Weights {
        Weights(plan: plan, prefix: prefix, narrowest: .int8)
    }

    /// The same place, from which matrices are held in float32, whatever the precision.
    package var exact: Weights {
        Weights(plan: plan, prefix: prefix, narrowest: .float32)
    }

    /// The weights below a name.
    package static func / (weights: Weights, name: String) -> Weights {
        Weights(
            plan: weights.plan, prefix: weights.prefix + name + ".",
            narrowest: weights.narrowest)
    }

    /// The weights below an index of a list.
    package static func / (weights: Weights, index: Int) -> Weights { weights / String(index) }

    /// A parameter whose plain values are used: biases, tables, norms.
    package func callAsFunction(_ name: String, _ shape: [Int]) -> Parameter {
        plan.add(Parameter(prefix + name, shape, .plain))
    }

    /// A weight `[O, ...]` used as the matrix `[O, I]` of products.
    package func matrix(_ name: String, _ shape: [Int]) -> Parameter {
        plan.add(Parameter(prefix + name, shape, .matrix(narrowest: narrowest)))
    }

    /// A convolution's weight `[O, I, k, k]`, used as the matrix `[O, k·k·I]` of products.
    package func convolution(_ name: String, _ shape: [Int]) -> Parameter {
        plan.add(Parameter(prefix + name, shape, .convolution))
    }
}

/// The parameters that a model's layers asked for, to be filled from a source in one go.
package final class WeightPlan {
    /// What is done with weights after they are loaded.
    package enum Training: Sendable {
        /// Nothing: they are packed, and gradients cannot pass.
        case none
        /// Gradients pass them and change nothing: a loss's network.
        case ledThrough
        /// An optimizer changes them.
        case changed
    }

    /// The parameters in the order of their making.
    package private(set) var parameters: [Parameter] = []

    package init() {}

    /// Number of weights, position tables apart.
    package var weightCount: Int {
        parameters.lazy.filter { !$0.name.contains("pos_embed") }.reduce(0) { $0 + $1.count }
    }

    fileprivate func add(_ parameter: Parameter) -> Parameter {
        parameters.append(parameter)
        return parameter
    }

    /// Reads, arranges and packs every parameter in the form that `precision` gives it, sharing the
    /// work among the device's threads.
    ///
    /// Strict: throws `ModelError.weights` with every missing, unexpected and mis-shaped name, but
    /// for names of the source of which `unused` says that the model has no use for them.
    package func load(
        from source: any WeightSource, on device: Device, precision: Precision = .float32,
        training: Training = .none, unused: (String) -> Bool
    ) throws {
        try verify(source, unused: unused)
        // Large ones first, so that the threads end together.
        let order = parameters.sorted { $0.count > $1.count }
        let failures = Failures(count: order.count)
        device.parallel(order.count, .other) { task, _ in
            do {
                try WeightPlan.fill(order[task], source, precision, training: training)
            } catch {
                failures[task] = ModelError.of(error)
            }
        }
        if let error = failures.first { throw error }
    }

    /// Compares names and shapes without reading a value; throws as `load` does.
    package func verify(_ source: any WeightSource, unused: (String) -> Bool) throws {
        let found = source.shapes
        var missing: [String] = []
        var misshapen: [ModelError.Misshapen] = []
        var wanted: Set<String> = []
        for parameter in parameters {
            wanted.insert(parameter.name)
            guard let shape = found[parameter.name] else {
                missing.append(parameter.name)
                continue
            }
            if shape != parameter.shape {
                misshapen.append(
                    ModelError.Misshapen(
                        name: parameter.name, expected: parameter.shape, found: shape))
            }
        }
        let unexpected = found.keys.filter { !wanted.contains($0) && !unused($0) }.sorted()
        if !missing.isEmpty || !unexpected.isEmpty || !misshapen.isEmpty {
            throw ModelError.weights(
                path: source.path, missing: missing, unexpected: unexpected, misshapen: misshapen)
        }
    }

    private static func fill(
        _ parameter: Parameter, _ source: any WeightSource, _ precision: Precision,
        training: Training
    ) throws {
        if training == .none, try packStored(parameter, source, precision) { return }
        let (count, outputs) = (parameter.count, parameter.shape.first ?? 1)
        func memory() throws -> AlignedBuffer {
            guard let buffer = AlignedBuffer(count: count) else {
                throw ModelError.memory(what: parameter.name, bytes: count * 4)
            }
            return buffer
        }
        let values = try memory()
        try source.read(
            parameter.name,
            into: UnsafeMutableBufferPointer(start: values.pointer, count: count))
        // Position tables are not learned.
        if training != .none, !parameter.name.contains("pos_embed") {
            try parameter.fill(
                .trainable(
                    TrainableValues(
                        parameter, value: values,
                        // Whole numbers are not trained.
                        format: precision.format(
                            narrowest: parameter.use.narrowest == .float32 ? .float32 : .bfloat16),
                        ledThrough: training == .ledThrough)))
            return
        }
        guard let narrowest = parameter.use.narrowest else {
            parameter.fill(.float32(values))
            return
        }
        var rows = values
        if parameter.use == .convolution {
            rows = try memory()
            channelsLast(values.pointer, parameter.shape, into: rows.pointer)
        }
        parameter.fill(
            .packed(
                try PackedMatrix(
                    outputs: outputs, inputs: count / outputs, rows: rows.pointer,
                    format: precision.format(narrowest: narrowest))))
    }

    /// Packs a matrix as it is stored, where that is the form wanted: to the bits that the way over
    /// float32 gives.
    private static func packStored(
        _ parameter: Parameter, _ source: any WeightSource, _ precision: Precision
    ) throws -> Bool {
        guard let narrowest = parameter.use.narrowest else { return false }
        let format = precision.format(narrowest: narrowest)
        let outputs = parameter.shape.first ?? 1
        let inputs = parameter.count / max(outputs, 1)
        var packed: PackedMatrix?
        _ = try source.withStored(parameter.name) { stored in
            switch (stored, format) {
            case (.bfloat16(let rows), .bfloat16) where parameter.use == .convolution:
                guard let turned = AlignedBuffer(count: (parameter.count + 1) / 2) else {
                    throw ModelError.memory(what: parameter.name, bytes: parameter.count * 2)
                }
                let elements = turned.elements(of: UInt16.self)
                channelsLast(rows, parameter.shape, into: elements)
                packed = try withExtendedLifetime(turned) {
                    try PackedMatrix(outputs: outputs, inputs: inputs, bfloat16: elements)
                }
            case (.bfloat16(let rows), .bfloat16):
                packed = try PackedMatrix(outputs: outputs, inputs: inputs, bfloat16: rows)
            case (.int8(let numbers, let scales), .int8):
                packed = try PackedMatrix(
                    outputs: outputs, inputs: inputs, numbers: numbers, scales: scales)
            default: break
            }
        }
        guard let packed else { return false }
        parameter.fill(.packed(packed))
        return true
    }

    /// The error of each task, written by the task alone.
    private final class Failures: @unchecked Sendable {
        private let slots: UnsafeMutablePointer<(any Error)?>
        private let count: Int

        init(count: Int) {
            self.count = count
            slots = .allocate(capacity: count)
            slots.initialize(repeating: nil, count: count)
        }

        deinit {
            slots.deinitialize(count: count)
            slots.deallocate()
        }

        subscript(task: Int) -> (any Error)? {
            get { slots[task] }
            set { slots[task] = newValue }
        }

        var first: (any Error)? { (0..<count).lazy.compactMap { self[$0] }.first }
    }
}
