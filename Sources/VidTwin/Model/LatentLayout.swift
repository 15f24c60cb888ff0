/// The order in which latents leave the package, in files and through C: that of the reference code,
/// channels first for the dynamics. Tensors have channels last.
extension Latents {
    /// The values of `[1, T, n, d]` in the order `[d, T, n]`.
    package static func channelsFirst(_ x: Tensor) -> [Float] {
        let d = x.dim(-1)
        return x.withPointer {
            turned(UnsafeBufferPointer(start: $0, count: x.count), x.count / d, d)
        }
    }

    /// `[d, T, n]` in the order `[T, n, d]`.
    package static func channelsLast(_ values: [Float], channels d: Int) -> [Float] {
        values.withUnsafeBufferPointer { turned($0, d, values.count / d) }
    }

    /// `[rows, columns] -> [columns, rows]`
    private static func turned(
        _ values: UnsafeBufferPointer<Float>, _ rows: Int, _ columns: Int
    ) -> [Float] {
        [Float](unsafeUninitializedCapacity: rows * columns) { out, used in
            for row in 0..<rows {
                for column in 0..<columns {
                    out[column * rows + row] = values[row * columns + column]
                }
            }
            used = rows * columns
        }
    }

    /// Latents of one clip from values in the order of files; a part that is nil is zero.
    ///
    /// - Throws: `ModelError.shape` where a count is not the model's, `ModelError.nonFinite`.
    package init(
        structure: [Float]?, dynamicsX: [Float]?, dynamicsY: [Float]?, for model: VidTwinModel
    ) throws {
        let (c, device) = (model.configuration, model.device)
        let (T, d) = (c.encoder.grid.time, c.dynamicsChannels)
        func checked(_ what: String, _ values: [Float]?, _ shape: [Int]) throws -> [Float] {
            let count = shape.reduce(1, *)
            guard let values else { return [Float](repeating: 0, count: count) }
            if values.count != count {
                throw ModelError.shape(what: what, expected: shape, found: [values.count])
            }
            let bad = values.count { !$0.isFinite }
            if bad > 0 { throw ModelError.nonFinite(what: what, count: bad, of: count) }
            return values
        }
        let structure = try checked("structure latent", structure, c.structureShape)
        let x = try checked("dynamics latent along columns", dynamicsX, c.dynamicsXShape)
        let y = try checked("dynamics latent along rows", dynamicsY, c.dynamicsYShape)
        self.init(
            structure: Tensor([1] + c.structureShape, structure, on: device),
            dynamicsX: Tensor(
                [1, T, c.dynamicsGrid.columns, d], Latents.channelsLast(x, channels: d),
                on: device),
            dynamicsY: Tensor(
                [1, T, c.dynamicsGrid.rows, d], Latents.channelsLast(y, channels: d), on: device))
    }
}
