import TensorFiles
import VidTwin

/// The weights of LPIPS under the names that the reference's checkpoints have for them, which a strict
/// resume of Lightning's asks for.
enum PerceptualExport {
    private static let prefix = "loss.perceptual_loss"
    /// Places of the convolutions in VGG-16, and the part of the network that each is in.
    private static let places = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    private static let slices = [1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]

    /// Tensors that are read from the files when they are written.
    static func tensors(_ paths: [String]) throws -> [(name: String, tensor: TorchTensor)] {
        let source = try LPIPSWeights(
            paths.map { try Checkpoint(path: $0, allowingLegacy: true) })
        func tensor(_ name: String) -> TorchTensor {
            let shape = source.shapes[name] ?? []
            return TorchTensor(shape, .float32) { write in
                var values = [Float](repeating: 0, count: shape.reduce(1, *))
                try values.withUnsafeMutableBufferPointer { try source.read(name, into: $0) }
                try values.withUnsafeBytes { try write($0) }
            }
        }
        var pairs: [(name: String, tensor: TorchTensor)] = [
            (
                "\(prefix).scaling_layer.shift",
                TorchTensor([1, 3, 1, 1], [-0.030, -0.088, -0.188] as [Float])
            ),
            (
                "\(prefix).scaling_layer.scale",
                TorchTensor([1, 3, 1, 1], [0.458, 0.448, 0.450] as [Float])
            ),
        ]
        for n in places.indices {
            for kind in ["weight", "bias"] {
                pairs.append(
                    (
                        "\(prefix).net.slice\(slices[n]).\(places[n]).\(kind)",
                        tensor("convolution.\(n).\(kind)")
                    ))
            }
        }
        for k in 0..<5 {
            pairs.append(("\(prefix).lin\(k).model.1.weight", tensor("linear.\(k).weight")))
        }
        return pairs
    }
}
