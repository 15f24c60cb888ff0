import VidTwin
import VidTwinKernels

/// PatchGAN: whether each patch of a frame, or of a clip, looks real (reference:
/// vidtok/modules/discriminator.py @d6ad92d, `NLayerDiscriminator` and `NLayerDiscriminator3D`).
final class Discriminator {
    private struct Layer {
        let weight: Parameter  // [O, I, k…]
        let bias: Parameter?  // [O]
        let norm: BatchNorm?
        let window: Window
        let isLast: Bool
    }

    private let layers: [Layer]
    private let kind: LossConfiguration.DiscriminatorKind

    init(_ weights: Weights, _ configuration: LossConfiguration, name: String) {
        let (c, L) = (configuration.discriminatorWidth, configuration.discriminatorLayers)
        let isFlat = configuration.discriminatorKind == .pictures
        kind = configuration.discriminatorKind
        let kernel = isFlat ? [4, 4] : [3, 3, 3]
        func window(_ stride: [Int]) -> Window {
            isFlat
                ? Window(kernel: 4, stride: stride[1], padding: 1)
                : Window(cube: 3, stride: stride, padding: 1)
        }
        func layer(
            at index: Int, _ inputs: Int, _ outputs: Int, stride: [Int], normed: Bool,
            isLast: Bool = false
        ) -> Layer {
            let place = weights / index
            return Layer(
                weight: place.convolution("weight", [outputs, inputs] + kernel),
                bias: normed ? nil : place("bias", [outputs]),
                norm: normed
                    ? BatchNorm(weights / (index + 1), width: outputs, name: "\(name).\(index + 1)")
                    : nil, window: window(stride), isLast: isLast)
        }
        var layers = [layer(at: 0, 3, c, stride: [2, 2, 2], normed: false)]
        var (index, inputs) = (2, c)
        for k in 1...max(L, 1) {
            let outputs = c * min(1 << k, 8)
            let stride = k == L ? [1, 1, 1] : k == 1 ? [2, 2, 2] : [1, 2, 2]
            layers.append(layer(at: index, inputs, outputs, stride: stride, normed: true))
            (index, inputs) = (index + 3, outputs)
        }
        layers.append(
            layer(at: index, inputs, 1, stride: [1, 1, 1], normed: false, isLast: true))
        self.layers = layers
    }

    /// What the norms keep beside parameters.
    var buffers: [StateBuffer] {
        layers.compactMap(\.norm).flatMap { [$0.runningMean, $0.runningVariance, $0.batches] }
    }

    /// Lets the norms take the batches of all processes for one.
    func syncNorms(_ processes: Processes) {
        for layer in layers { layer.norm?.processes = processes }
    }

    /// The least picture (or clip) whose logits are not empty, in frames, rows, columns.
    func accepts(frames: Int, height: Int, width: Int) -> Bool {
        var size = [kind == .pictures ? 1 : frames, height, width]
        for layer in layers {
            size = layer.window.output(size)
            if size.contains(where: { $0 < 1 }) { return false }
        }
        return true
    }

    /// Clips `[B, T, H, W, 3]` to logits `[n, …, 1]`, items first: frames in 2-D, clips in 3-D.
    func callAsFunction(_ clips: Tensor, training: Bool) -> Tensor {
        let (B, T, H, W, _) = clips.shape5
        var x = kind == .pictures ? clips.reshaped([B * T, 1, H, W, 3]) : clips
        for layer in layers {
            x = convolution(x, layer.weight, layer.bias, layer.window)
            if let norm = layer.norm { x = norm(x, training: training) }
            if !layer.isLast { x = activate(x, .leakyReLU) }
        }
        return x
    }
}
