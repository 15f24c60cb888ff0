import CVidTwin
import VidTwin

/// A caller's arrays for the latents of one clip.
struct LatentMemory {
    private let structure, x, y: Field

    private struct Field {
        let name: String
        let data: UnsafeMutablePointer<Float>?
        let count: Int
        let shape: [Int]

        func checked() throws -> UnsafeMutableBufferPointer<Float> {
            guard let data else { throw CallError.null(name) }
            let expected = shape.reduce(1, *)
            guard count == expected else {
                throw CallError.argument(
                    "\(name)_count", expected: "\(expected), of shape \(shape)",
                    found: "\(UInt(bitPattern: count))")
            }
            return UnsafeMutableBufferPointer(start: data, count: count)
        }
    }

    init(_ latents: vidtwin_latents, _ what: String = "latents", for configuration: Configuration) {
        structure = Field(
            name: "\(what).structure", data: latents.structure, count: latents.structure_count,
            shape: configuration.structureShape)
        x = Field(
            name: "\(what).dynamics_x", data: latents.dynamics_x, count: latents.dynamics_x_count,
            shape: configuration.dynamicsXShape)
        y = Field(
            name: "\(what).dynamics_y", data: latents.dynamics_y, count: latents.dynamics_y_count,
            shape: configuration.dynamicsYShape)
    }

    /// - Throws: where an array is NULL or has another number of elements than the model's.
    func checkAll() throws { for field in [structure, x, y] { _ = try field.checked() } }

    /// The latents that `part` decodes; the others are zero, and not looked at.
    func read(_ part: Part, for model: VidTwinModel) throws -> Latents {
        func values(_ field: Field, unless skipped: Part) throws -> [Float]? {
            part == skipped ? nil : Array(try field.checked())
        }
        return try Latents(
            structure: values(structure, unless: .dynamics),
            dynamicsX: values(x, unless: .structure), dynamicsY: values(y, unless: .structure),
            for: model)
    }

    /// Writes all three.
    ///
    /// - Throws: as `checkAll`.
    func write(_ latents: Latents) throws {
        for (field, values) in [
            (structure, latents.structure.values), (x, Latents.channelsFirst(latents.dynamicsX)),
            (y, Latents.channelsFirst(latents.dynamicsY)),
        ] {
            _ = try field.checked().update(fromContentsOf: values)
        }
    }
}
