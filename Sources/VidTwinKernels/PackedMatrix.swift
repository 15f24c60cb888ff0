/// A weight matrix `[outputs, inputs]` in one form, packed once into the layout that products want.
package final class PackedMatrix: Sendable {
    package let outputs: Int
    package let inputs: Int
    package let format: WeightFormat
    let buffer: AlignedBuffer
    /// Of int8: the step of each output, then the sum of each output's whole numbers.
    let scales, sums: AlignedBuffer?

    /// Packs `rows`, which is `[outputs, inputs]` in row-major order and not kept.
    package convenience init(
        outputs: Int, inputs: Int, rows: UnsafePointer<Float>, format: WeightFormat = .float32
    ) throws {
        try self.init(
            outputs: outputs, inputs: inputs, rows: rows, format: format, transposed: false)
    }

    /// Packs `rows`, which lie the other way round when `transposed`.
    private init(
        outputs: Int, inputs: Int, rows: UnsafePointer<Float>, format: WeightFormat,
        transposed: Bool
    ) throws {
        (self.outputs, self.inputs, self.format) = (outputs, inputs, format)
        let (library, count) = (Products.library, outputs * inputs)
        let shape = PackedMatrix.shape(outputs: outputs, inputs: inputs, format)
        let bytes = try library.packedBytes(shape)
        func pack(into packed: AlignedBuffer) throws {
            try library.pack(
                rows, .float32, transposed: transposed, into: packed.pointer, shape)
        }
        switch format {
        case .float32:
            buffer = try PackedMatrix.memory(bytes)
            (scales, sums) = (nil, nil)
            try pack(into: buffer)
        case .bfloat16 where ProductSupport.multipliesBFloat16:
            buffer = try PackedMatrix.memory(bytes)
            (scales, sums) = (nil, nil)
            try pack(into: buffer)
        case .bfloat16:
            // The order of float32's layout, each element cut to half its size.
            let wide = try PackedMatrix.memory(bytes)
            try pack(into: wide)
            buffer = try PackedMatrix.memory(bytes / 2)
            (scales, sums) = (nil, nil)
            kernels.to_bf16(wide.pointer, buffer.elements(of: UInt16.self), bytes / 4)
        case .int8:
            try PackedMatrix.checkSum(inputs)
            let whole = try PackedMatrix.memory(count)
            let numbers = whole.elements(of: Int8.self)
            let (scales, sums) = (
                try PackedMatrix.memory(4 * outputs), try PackedMatrix.memory(4 * outputs)
            )
            for o in 0..<outputs {
                scales.pointer[o] = kernels.quantise_weights(
                    rows + o * inputs, numbers + o * inputs, sums.elements(of: Int32.self) + o,
                    inputs)
            }
            buffer = try PackedMatrix.memory(bytes)
            (self.scales, self.sums) = (scales, sums)
            try library.pack(numbers, .signed8, transposed: false, into: buffer.pointer, shape)
        }
    }

    /// Packs the transpose of `rows`, which is `[outputs, inputs]` in row-major order and not kept: the
    /// matrix `[inputs, outputs]` that leads a gradient back.
    ///
    /// - Precondition: `format` is not int8.
    package convenience init(
        transposing rows: UnsafePointer<Float>, outputs: Int, inputs: Int, format: WeightFormat
    ) throws {
        precondition(format != .int8, "whole numbers have no way back")
        try self.init(
            outputs: inputs, inputs: outputs, rows: rows, format: format, transposed: true)
    }

    /// Packs bfloat16 `rows`, which are `[outputs, inputs]` in row-major order and not kept; the bits
    /// are those that packing the same values as float32 gives.
    package convenience init(
        outputs: Int, inputs: Int, bfloat16 rows: UnsafePointer<UInt16>
    ) throws {
        guard ProductSupport.multipliesBFloat16 else {
            // Here the library moves no elements of 16 bits.
            let wide = try PackedMatrix.memory(4 * outputs * inputs)
            let bits = wide.elements(of: UInt32.self)
            for i in 0..<outputs * inputs { bits[i] = UInt32(rows[i]) << 16 }
            try self.init(
                outputs: outputs, inputs: inputs, rows: wide.pointer, format: .bfloat16)
            return
        }
        let shape = PackedMatrix.shape(outputs: outputs, inputs: inputs, .bfloat16)
        let buffer = try PackedMatrix.memory(Products.library.packedBytes(shape))
        try Products.library.pack(
            rows, .bfloat16, transposed: false, into: buffer.pointer, shape)
        self.init(outputs, inputs, .bfloat16, buffer, scales: nil, sums: nil)
    }

    /// Packs whole `numbers` of −127…127, which are `[outputs, inputs]` in row-major order and stand
    /// for their product with their row's scale; neither is kept.
    package convenience init(
        outputs: Int, inputs: Int, numbers: UnsafePointer<Int8>, scales steps: UnsafePointer<Float>
    ) throws {
        try PackedMatrix.checkSum(inputs)
        let shape = PackedMatrix.shape(outputs: outputs, inputs: inputs, .int8)
        let buffer = try PackedMatrix.memory(Products.library.packedBytes(shape))
        let scales = try PackedMatrix.memory(4 * outputs)
        let sums = try PackedMatrix.memory(4 * outputs)
        for o in 0..<outputs {
            scales.pointer[o] = steps[o]
            var sum: Int32 = 0
            for i in o * inputs..<(o + 1) * inputs { sum &+= Int32(numbers[i]) }
            sums.elements(of: Int32.self)[o] = sum
        }
        try Products.library.pack(
            numbers, .signed8, transposed: false, into: buffer.pointer, shape)
        self.init(outputs, inputs, .int8, buffer, scales: scales, sums: sums)
    }

    private init(
        _ outputs: Int, _ inputs: Int, _ format: WeightFormat, _ buffer: AlignedBuffer,
        scales: AlignedBuffer?, sums: AlignedBuffer?
    ) {
        (self.outputs, self.inputs, self.format) = (outputs, inputs, format)
        (self.buffer, self.scales, self.sums) = (buffer, scales, sums)
    }

    private static func checkSum(_ inputs: Int) throws {
        guard inputs <= longestSum else {
            throw ProductError.unsupported(
                "int8 products have at most \(longestSum) inputs, found \(inputs)")
        }
    }

    /// Inputs whose products, 255 by 127 each, are sure to fit a sum of 32 bits.
    private static let longestSum = 65_536

    static func shape(outputs: Int, inputs: Int, _ format: WeightFormat) -> ProductShape {
        let (source, weights): (ProductElement, ProductElement) =
            switch format {
            case .float32: (.float32, .float32)
            case .bfloat16:
                ProductSupport.multipliesBFloat16
                    ? (.bfloat16, .bfloat16) : (.float32, .float32)
            case .int8: (.unsigned8, .signed8)
            }
        return ProductShape(inputs: inputs, outputs: outputs, source: source, weights: weights)
    }

    private static func memory(_ bytes: Int) throws -> AlignedBuffer {
        guard let buffer = AlignedBuffer(count: (bytes + 3) / 4) else {
            throw ProductError.memory(what: "weights", bytes: bytes)
        }
        return buffer
    }

    /// Bytes that the packed form takes.
    package var byteCount: Int {
        (buffer.count + (scales?.count ?? 0) + (sums?.count ?? 0)) * 4
    }
}
