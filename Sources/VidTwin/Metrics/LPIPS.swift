package import TensorFiles

/// Learned perceptual similarity (Zhang et al. 2018) with a VGG-16 trunk: how far two frames are
/// apart to the eye, 0 for equal ones (reference: vidtok/modules/lpips.py @d6ad92d).
public final class LPIPS: Sendable {
    /// A file that weights came from.
    public struct Source: Sendable, Equatable {
        /// The file.
        public let path: String
        /// Its SHA-256.
        public let sha256: String
    }

    /// Where the weights came from.
    public let sources: [Source]
    private let device: Device
    private let convolutions: [Convolution]
    private let linear: [Parameter]  // [1, C, 1, 1], one a tap

    /// Width of each convolution; nil is a max-pooling.
    private static let layers: [Int?] = [
        64, 64, nil, 128, 128, nil, 256, 256, 256, nil, 512, 512, 512, nil, 512, 512, 512,
    ]
    /// Convolutions (from 1) after whose ReLU features are compared.
    private static let taps: Set = [2, 4, 7, 10, 13]
    private static let tapWidths = [64, 128, 256, 512, 512]

    /// Weights from files that the user names: torchvision's `vgg16` state dict and the `lpips`
    /// package's or the reference's `vgg.pth`, or one file with both; .pth or .safetensors.
    ///
    /// - Throws: `MetricError.weights` where something is missing, or `CheckpointError`.
    public convenience init(paths: [String], device: Device) throws {
        try self.init(paths: paths, device: device, leadsBack: false)
    }

    /// The same; `leadsBack`: gradients can pass it, for a loss.
    package convenience init(
        paths: [String], device: Device, precision: Precision = .float32, leadsBack: Bool
    ) throws {
        let checkpoints = try paths.map { try Checkpoint(path: $0, allowingLegacy: true) }
        let sources = try paths.map { Source(path: $0, sha256: try FileDigest.sha256(path: $0)) }
        try self.init(
            LPIPSWeights(checkpoints), sources: sources, device: device,
            precision: precision, leadsBack: leadsBack)
    }

    /// The names and shapes that it takes from a source.
    package static var shapes: [String: [Int]] {
        let plan = WeightPlan()
        _ = layers(Weights(plan))
        return Dictionary(uniqueKeysWithValues: plan.parameters.map { ($0.name, $0.shape) })
    }

    private static func layers(_ weights: Weights) -> ([Convolution], [Parameter]) {
        var (convolutions, inputs): ([Convolution], Int) = ([], 3)
        for case let width? in layers {
            convolutions.append(
                Convolution(
                    weights / "convolution" / convolutions.count, inputs, width, activation: .relu))
            inputs = width
        }
        let linear = tapWidths.enumerated().map { tap, width in
            (weights / "linear" / tap)("weight", [1, width, 1, 1])
        }
        return (convolutions, linear)
    }

    package init(
        _ source: any WeightSource, sources: [Source], device: Device,
        precision: Precision = .float32, leadsBack: Bool = false
    ) throws {
        self.device = device
        self.sources = sources
        let plan = WeightPlan()
        (convolutions, linear) = LPIPS.layers(Weights(plan))
        do {
            try plan.load(
                from: source, on: device, precision: precision,
                training: leadsBack ? .ledThrough : .none
            ) { _ in true }
        } catch ModelError.weights(let path, _, _, let misshapen) {
            throw MetricError.weights(
                "\(path): "
                    + misshapen.map { "\($0.name): expected \($0.expected), found \($0.found)" }
                    .joined(separator: "; "))
        }
    }

    /// What the network's pictures take for a pixel of its input.
    private static let bytesPerPixel = 1076

    /// The distance of each pair of frames, which have one size of at least 16x16.
    ///
    /// - Throws: `MetricError.size`, or `.small` below 16 pixels.
    public func callAsFunction(_ x: MetricFrame, _ y: MetricFrame) throws -> Double {
        try MetricError.check(x, y)
        if min(x.width, x.height) < 16 {
            throw MetricError.small(metric: "LPIPS", width: x.width, height: x.height, least: 16)
        }
        // One after the other: equal frames then take the same steps and have distance 0 exactly.
        return try device.computing(
            tensors: 2 * LPIPS.bytesPerPixel * x.width * x.height, scratch: 0,
            for: "LPIPS of \(x.width)x\(x.height)"
        ) {
            let (fx, fy) = (features(pixels(x)), features(pixels(y)))
            return distances(fx, fy).reduce(0.0) { $0 + Double($1.values[0]) }
        }
    }

    /// The distances of pictures at the five taps, each `[N]`, from what `features` made of them; their
    /// sum is the metric. Gradients lead to y.
    package func distances(_ x: [Tensor], _ y: [Tensor]) -> [Tensor] {
        zip(zip(x, y), linear).map { lpipsDistance($0.0, $0.1, $1) }
    }

    /// A frame in −1…1: `[1, H, W, 3]`.
    private func pixels(_ frame: MetricFrame) -> Tensor {
        Tensor([1, frame.height, frame.width, 3], frame.values.map { $0 * 2 - 1 }, on: device)
    }

    /// What the trunk makes of pictures `[N, H, W, 3]` in −1…1, at the five taps.
    package func features(_ pictures: Tensor) -> [Tensor] {
        var x = normalisedChannels(pictures, means: LPIPS.shift, deviations: LPIPS.scale)
        var (taps, convolution): ([Tensor], Int) = ([], 0)
        for layer in LPIPS.layers {
            guard layer != nil else {
                x = maxPool2x(x)
                continue
            }
            x = convolutions[convolution](x)
            convolution += 1
            if LPIPS.taps.contains(convolution) { taps.append(x) }
        }
        return taps
    }

    /// Means and deviations of ImageNet's channels for pixels in −1…1.
    private static let shift: [Float] = [-0.030, -0.088, -0.188]
    private static let scale: [Float] = [0.458, 0.448, 0.450]
}

/// Finds the weights of LPIPS in files of several makers, by the ends of their names.
package struct LPIPSWeights: WeightSource {
    package let path: String
    package let shapes: [String: [Int]]
    private let places: [String: (checkpoint: Checkpoint, name: String)]

    /// Places of the convolutions in torchvision's `features`, which other makers' names end in.
    private static let indices = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]

    package init(_ checkpoints: [Checkpoint]) throws {
        path = checkpoints.map(\.path).joined(separator: ", ")
        var places: [String: (checkpoint: Checkpoint, name: String)] = [:]
        for checkpoint in checkpoints {
            for name in checkpoint.tensors.keys.sorted() {
                if let canonical = LPIPSWeights.canonical(name) {
                    places[canonical] = (checkpoint, name)
                }
            }
        }
        let trunk = (0..<13).flatMap { ["convolution.\($0).weight", "convolution.\($0).bias"] }
        let linear = (0..<5).map { "linear.\($0).weight" }
        for (what, names, hint) in [
            (
                "the VGG-16 trunk", trunk,
                "torchvision's vgg16 state dict, features.0 to features.28"
            ),
            ("the linear weights", linear, "the lpips package's vgg.pth, lin0 to lin4"),
        ] {
            let missing = names.filter { places[$0] == nil }
            if !missing.isEmpty {
                throw MetricError.weights(
                    "\(path): expected \(what) (\(hint)), found \(names.count - missing.count) of "
                        + "\(names.count) tensors")
            }
        }
        self.places = places
        shapes = places.mapValues { $0.checkpoint.tensors[$0.name]?.shape ?? [] }
    }

    /// `features.N.weight` (torchvision), `net.sliceK.N.weight` (lpips and the reference) and
    /// `linK.model.1.weight`, `lins.K.model.1.weight`, under any prefix.
    private static func canonical(_ name: String) -> String? {
        let parts = name.split(separator: ".").map(String.init)
        guard let kind = parts.last, kind == "weight" || kind == "bias", parts.count >= 3 else {
            return nil
        }
        let (number, group) = (parts[parts.count - 2], parts[parts.count - 3])
        if group == "features" || group.hasPrefix("slice"), let index = Int(number),
            let convolution = indices.firstIndex(of: index)
        {
            return "convolution.\(convolution).\(kind)"
        }
        guard group == "model", number == "1", kind == "weight", parts.count >= 4 else {
            return nil
        }
        let digits = parts[parts.count - 4].filter(\.isNumber)
        return Int(digits).flatMap { (0..<5).contains($0) ? "linear.\($0).weight" : nil }
    }

    package func read(
        _ name: String, into destination: UnsafeMutableBufferPointer<Float>
    ) throws {
        guard let place = places[name] else { return }
        try place.checkpoint.read(place.name, into: destination)
    }
}
