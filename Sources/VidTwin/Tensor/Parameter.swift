package import VidTwinKernels

/// A named weight of a model, in one form at a time.
///
/// A parameter is made empty while the model is built and filled once, before the model is used.
package final class Parameter: @unchecked Sendable {
    /// How the values are held.
    package enum Form {
        /// Named and shaped, not yet read.
        case empty
        /// Plain values in row-major order.
        case float32(AlignedBuffer)
        /// A matrix in the layout of the product library and in one of its formats; its values cannot
        /// be read back.
        case packed(PackedMatrix)
        /// Values that an optimizer changes, with their gradient.
        case trainable(TrainableValues)
    }

    /// What the layer that asked for the parameter does with it.
    package enum Use: Equatable, Sendable {
        /// Its plain values are read: biases, tables, norms.
        case plain
        /// `[O, k…, I]` of products, from a convolution's `[O, I, k…]`.
        case convolution
        /// `[O, I]` of products, held in this form at the narrowest.
        case matrix(narrowest: WeightFormat)

        /// The narrowest form of what products multiply; nil of plain values.
        var narrowest: WeightFormat? {
            switch self {
            case .plain: nil
            case .convolution: .bfloat16
            case .matrix(let narrowest): narrowest
            }
        }
    }

    /// The checkpoint's name.
    package let name: String
    /// The checkpoint's shape.
    package let shape: [Int]
    /// What it is for.
    package let use: Use
    package private(set) var form: Form = .empty

    package init(_ name: String, _ shape: [Int], _ use: Use = .plain) {
        self.name = name
        self.shape = shape
        self.use = use
    }

    package var count: Int { shape.reduce(1, *) }

    package func fill(_ form: Form) {
        guard case .empty = self.form else { preconditionFailure("\(name) is filled already") }
        self.form = form
    }

    /// The values that an optimizer changes, or nil where the parameter is frozen.
    package var trainable: TrainableValues? {
        if case .trainable(let values) = form { values } else { nil }
    }

    /// The matrix of products, `[O, I]`.
    ///
    /// - Precondition: the form is `.packed`, or `.trainable` of a parameter that is for products.
    package var matrix: PackedMatrix {
        switch form {
        case .packed(let matrix): return matrix
        case .trainable(let values): return values.matrix(.forward)
        default: preconditionFailure("\(name) is \(form), not packed")
        }
    }

    /// The matrix of the products that lead back, `[I, O]`.
    ///
    /// - Precondition: the form is `.trainable`.
    package var transposedMatrix: PackedMatrix {
        guard case .trainable(let values) = form else {
            preconditionFailure("\(name) is \(form): nothing leads back through it")
        }
        return values.matrix(.backward)
    }

    /// The plain values.
    ///
    /// - Precondition: the form is `.float32` or `.trainable`.
    package var pointer: UnsafePointer<Float> {
        switch form {
        case .float32(let buffer): return UnsafePointer(buffer.pointer)
        case .trainable(let values): return UnsafePointer(values.value.pointer)
        default: preconditionFailure("\(name) is \(form), its plain values are asked for")
        }
    }

    /// One row of a `[rows, width]` table, as a value.
    package func row(_ index: Int) -> Row {
        precondition(shape.count == 2 && index < shape[0], "\(name) \(shape) has no row \(index)")
        return Row(parameter: self, index: index)
    }

    /// A row of a table: where its values and their gradient are.
    package struct Row: Sendable {
        package let parameter: Parameter
        package let index: Int

        /// Values of the row.
        package var count: Int { parameter.shape[1] }
        /// The first value.
        package var pointer: UnsafePointer<Float> { parameter.pointer + index * count }
    }
}

/// Values that an optimizer changes, their gradient, and the copies of a matrix that products use,
/// made from the values: a forward pass then gives the bits that inference gives. The copy that leads
/// back is there while it is used, the other until gradients were led back.
///
/// One thread at a time.
package final class TrainableValues: @unchecked Sendable {
    /// Which product a packed copy is for.
    package enum Direction: Int, CaseIterable { case forward, backward }

    /// The master values, in the checkpoint's shape, row-major, float32.
    package let value: AlignedBuffer
    /// What was added up since `zeroGradient`, in the same order.
    package var gradient: AlignedBuffer {
        guard let sums else { preconditionFailure("\(name) is led through, not trained") }
        return sums
    }
    /// Whether anything was added to the gradient since it was zeroed.
    package var hasGradient = false { didSet { changes &+= 1 } }
    /// How often the gradient was zeroed or added to.
    package private(set) var changes = 0

    private let sums: AlignedBuffer?
    private let shape: [Int]
    private let use: Parameter.Use
    /// Of the copies for products.
    package let format: WeightFormat
    private var packed = [PackedMatrix?](repeating: nil, count: Direction.allCases.count)
    private var convolutions: [ObjectIdentifier: AlignedBuffer] = [:]
    private let name: String

    /// - Parameters:
    ///   - parameter: whose values they are.
    ///   - value: in the parameter's shape.
    ///   - format: of the copies for products, float32 or bfloat16.
    ///   - ledThrough: whether gradients only pass it, as they do a loss's network.
    /// - Throws: `ModelError.memory`.
    package init(
        _ parameter: Parameter, value: AlignedBuffer, format: WeightFormat = .float32,
        ledThrough: Bool = false
    ) throws {
        sums = ledThrough ? nil : AlignedBuffer(count: parameter.count)
        if sums == nil, !ledThrough {
            throw ModelError.memory(
                what: "the gradient of \(parameter.name)", bytes: 4 * parameter.count)
        }
        (self.value, self.format) = (value, format)
        (name, shape, use) = (parameter.name, parameter.shape, parameter.use)
        zeroGradient()
    }

    /// Number of values.
    package var count: Int { shape.reduce(1, *) }

    /// Sets the gradient to zero.
    package func zeroGradient() {
        sums?.zero()
        hasGradient = false
    }

    /// Says that the values were changed: packed copies are made anew.
    package func valuesChanged() {
        releaseCopies()
        convolutions = [:]
    }

    /// The weights of a convolution in its product's layout, made now if they are not there.
    package func weights(of product: any DirectConvolution) -> AlignedBuffer {
        let key = ObjectIdentifier(product)
        if let packed = convolutions[key] { return packed }
        do {
            let packed = try product.pack(value.pointer)
            convolutions[key] = packed
            return packed
        } catch {
            Exhaustion.end("packing \(name): \(error)")
        }
    }

    /// Whether products of a forward pass surely use it and their copy is not made yet.
    package var wantsPacking: Bool {
        if case .matrix = use { packed[Direction.forward.rawValue] == nil } else { false }
    }

    /// Gives the copies for products back, which are made anew when they are asked for.
    package func releaseCopies() {
        for direction in packed.indices { packed[direction] = nil }
    }

    /// The packed copy for a direction, made now if it is not there: `[O, I]` forward, `[I, O]`
    /// backward.
    package func matrix(_ direction: Direction) -> PackedMatrix {
        if let matrix = packed[direction.rawValue] { return matrix }
        precondition(use != .plain, "\(name) \(shape) is asked for as a matrix")
        let (outputs, inputs) = (shape[0], count / max(shape[0], 1))
        do {
            let matrix: PackedMatrix
            if use == .convolution {
                guard let rows = AlignedBuffer(count: count) else {
                    throw ProductError.memory(what: name, bytes: 4 * count)
                }
                channelsLast(value.pointer, shape, into: rows.pointer)
                matrix = try pack(rows.pointer, outputs, inputs, direction)
            } else {
                matrix = try pack(value.pointer, outputs, inputs, direction)
            }
            packed[direction.rawValue] = matrix
            return matrix
        } catch {
            Exhaustion.end("packing \(name): \(error)")
        }
    }

    private func pack(
        _ rows: UnsafePointer<Float>, _ outputs: Int, _ inputs: Int, _ direction: Direction
    ) throws -> PackedMatrix {
        direction == .forward
            ? try PackedMatrix(outputs: outputs, inputs: inputs, rows: rows, format: format)
            : try PackedMatrix(transposing: rows, outputs: outputs, inputs: inputs, format: format)
    }
}

/// A convolution's weights with the channels last: `[O, I, k…] -> [O, k…, I]`.
package func channelsLast<Element>(
    _ x: UnsafePointer<Element>, _ shape: [Int], into y: UnsafeMutablePointer<Element>
) {
    let (outputs, inputs, taps) = (shape[0], shape[1], shape.dropFirst(2).reduce(1, *))
    for o in 0..<outputs {
        let (from, to) = (x + o * inputs * taps, y + o * inputs * taps)
        for i in 0..<inputs {
            for tap in 0..<taps { to[tap * inputs + i] = from[i * taps + tap] }
        }
    }
}
