import FoundationEssentials
import TensorFiles
import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport

/// One op of the golden table: how its inputs become ours, and what it makes of them.
///
/// Golden arrays have the channels first, as PyTorch has them; ours have them last.
struct OpCase: CustomStringConvertible, Sendable {
    let name: String
    let run: @Sendable (OpRun) throws -> Void

    var description: String { name }

    init(_ name: String, _ run: @escaping @Sendable (OpRun) throws -> Void) {
        (self.name, self.run) = (name, run)
    }

    static let activations: [String: Activation] = [
        "none": .none, "relu": .relu, "gelu_tanh": .geluTanh, "gelu_erf": .geluErf,
    ]

    static let all: [OpCase] =
        activations.map { name, activation in
            OpCase("linear.\(name)") { run in
                try run.check(
                    linear(
                        run.input("x"), run.matrix("w"), run.parameter("b"), activation: activation)
                )
            }
        } + [
            OpCase("modulatedLayerNorm.rows", modulated),
            OpCase("modulatedLayerNorm.constant_row", modulated),
            OpCase("layerNorm.affine") { run in
                try run.check(
                    layerNorm(run.input("x"), run.parameter("w"), run.parameter("b"), eps: 1e-12))
            },
            OpCase("attention.full") { run in try attend(run, "full") },
            OpCase("attention.causal") { run in try attend(run, "causal") },
            OpCase("attention.cross") { run in try attend(run, "cross") },
            OpCase("attention.sharp") { run in try attend(run, "sharp") },
            OpCase("attention.dropout") { run in try attend(run, "dropout") },
            OpCase("gatedResidual.rows") { run in
                try run.check(
                    gatedResidual(run.input("x"), gate: run.row("gate"), run.input("y")))
            },
            convolutionCase("conv2d.3x3"), convolutionCase("conv2d.3x3_relu", relu: true),
            convolutionCase("conv2d.3x3_stride2_relu_odd", stride: [1, 2, 2], relu: true),
            convolutionCase("conv2d.3x3_stride2_even", stride: [1, 2, 2]),
            convolutionCase("conv2d.4x4_stride2", kernel: 4, stride: [1, 2, 2]),
            convolutionCase("conv2d.4x4_nobias", kernel: 4, bias: false),
            convolutionCase("conv3d.stride2", stride: [2, 2, 2], cube: true),
            convolutionCase("conv3d.stride122", stride: [1, 2, 2], cube: true),
            OpCase("patchEmbedding.1x2x2") { run in
                let patch = PatchSize(time: 1, height: 2, width: 2)
                let clip = run.input("x", channelsLast: true, wantsGradient: false)
                let y = linear(patchify(clip, patch), run.matrix("w"), run.parameter("b"))
                // [1, T, S, C] -> [1, C, T, H, W]
                try run.check(y.reshaped([1, 2, 2, 3, 5]), channelsLast: true)
            },
            OpCase("conv1d.queries_to_frames_relu") { run in
                try run.check(
                    linearOverAxisReLU(run.input("x"), run.parameter("w"), run.parameter("b")))
            },
            OpCase("upsample2x.nearest") { run in
                try run.check(upsample2x(run.input("x", channelsLast: true)), channelsLast: true)
            },
            OpCase("crop.8_to_5") { run in
                try run.check(
                    centreCrop(run.input("x", channelsLast: true), height: 5, width: 5),
                    channelsLast: true)
            },
            OpCase("mean.rows") { run in
                try run.check(
                    meanOverRows(run.input("x").reshaped([6, 4, 5, 1])).reshaped([2, 3, 5]))
            },
            OpCase("mean.columns") { run in
                try run.check(
                    meanOverColumns(run.input("x").reshaped([6, 4, 5, 1])).reshaped([2, 3, 4]))
            },
            OpCase("addRowsColumns.sum") { run in
                // [2, 3, T, H, W] with the channels last, rows and columns as one axis.
                let s = run.input("s", channelsLast: true).reshaped([2, 2, 20, 3])
                let y = addRowAndColumn(
                    s, columns: run.input("x", channelsLast: true),
                    rows: run.input("y", channelsLast: true))
                try run.check(y.reshaped([2, 2, 4, 5, 3]), channelsLast: true)
            },
            OpCase("unpatchify.1x2x3") { run in
                let y = unpatchify(
                    run.input("x").reshaped([1, 2, 4, 18]),
                    PatchSize(time: 1, height: 2, width: 3), rows: 2, columns: 2)
                try run.check(y, channelsLast: true)
            },
            OpCase("sampleGaussian.clamp") { run in
                try run.check(
                    sampleGaussian(
                        run.input("mean"), clamp(run.input("logvar"), -30, 20),
                        noise: run.constant("eps")), elementwise: true)
            },
            OpCase("kl.clamp") { run in
                try run.check(
                    klDivergence(
                        run.input("mean"), clamp(run.input("logvar"), -30, 20), clips: 2),
                    elementwise: true)
            },
            OpCase("lpipsDistance.relu_features") { run in
                let x = run.constant("x", channelsLast: true)
                let y = run.input("y", channelsLast: true)
                try run.check(lpipsDistance(x, y, run.parameter("w", isConstant: true)))
            },
            OpCase("leakyReLU.0.2") { run in try run.check(activate(run.input("x"), .leakyReLU)) },
            OpCase("relu.corner") { run in try run.check(activate(run.input("x"), .relu)) },
            OpCase("maxPool2x.ties_odd") { run in
                try run.check(maxPool2x(run.input("x", channelsLast: true)), channelsLast: true)
            },
            OpCase("qformerLayer.plain") { run in try qformerLayer(run, dropout: nil) },
            OpCase("qformerLayer.dropout") { run in
                try qformerLayer(
                    run,
                    dropout: Dropout(
                        hidden: 0.1, attention: 0.1, clips: 1, firstClip: 0, batch: 0,
                        Philox(seed: 23)))
            },
        ]

    private static let modulated: @Sendable (OpRun) throws -> Void = { run in
        try run.check(
            modulatedLayerNorm(run.input("x"), shift: run.row("shift"), scale: run.row("scale")))
    }

    /// `[B, heads, N, d]`: groups of rows whose heads lie side by side.
    private static func attend(_ run: OpRun, _ kind: String) throws {
        func rows(_ name: String) -> Tensor { run.input(name, headsLast: true) }
        let (q, k, v) = (rows("q"), rows("k"), rows("v"))
        let (N, heads) = (q.dim(0), run.shape("in.q")[1])
        let y: Tensor
        if kind == "causal" {  // one tensor of q, k and v, over time
            let C = q.dim(-1)
            let all = concatenated([q, k, v]).reshaped([N, q.dim(1), 1, 3 * C])
            y = selfAttention(all, heads: heads, over: .time, causal: true)
        } else if kind == "cross" || kind == "dropout" {
            func context(_ x: Tensor) -> Tensor {
                x.reshaped([N, x.dim(1), 1, x.dim(2)])
            }
            let keep = kind == "dropout" ? run.constant("mask", times: 1 / 0.9) : nil
            y = crossAttention(q, context(k), context(v), heads: heads, keep: keep)
        } else {
            y = groupAttention(q, k, v, heads: heads)
        }
        try run.check(y.reshaped(q.shape), headsLast: heads)
    }

    /// `[N, T, C]` three times to `[N, T, 3C]`, by swaps that the tape knows.
    private static func concatenated(_ parts: [Tensor]) -> Tensor {
        let (N, T, C) = parts[0].shape3
        let out = Tensor([N, T, 3 * C], on: parts[0].device)
        for (index, part) in parts.enumerated() {
            let values = part.values
            out.withPointer { out in
                for row in 0..<N * T {
                    for c in 0..<C { out[(row * 3 + index) * C + c] = values[row * C + c] }
                }
            }
        }
        guard let tape = parts[0].tape else { return out }
        return tape.record(out) { d in
            for (index, part) in parts.enumerated() {
                tape.add(
                    channels(d.reshaped([N, T, 3 * C]), index * C..<(index + 1) * C), to: part)
            }
        }
    }

    private static func convolutionCase(
        _ name: String, kernel: Int = 3, stride: [Int] = [1, 1, 1], relu: Bool = false,
        bias: Bool = true, cube: Bool = false
    ) -> OpCase {
        OpCase(name) { run in
            let window =
                cube
                ? Window(cube: kernel, stride: stride, padding: 1)
                : Window(kernel: kernel, stride: stride[1], padding: 1)
            var x = run.input("x", channelsLast: true)
            if !cube { x = x.reshaped([x.dim(0), 1] + x.shape.dropFirst()) }
            let y = convolution(
                x, run.matrix("w", .convolution), bias ? run.parameter("b") : nil, window,
                activation: relu ? .relu : .none)
            try run.check(
                cube ? y : y.reshaped([y.dim(0)] + y.shape.dropFirst(2)), channelsLast: true)
        }
    }

    private static func qformerLayer(_ run: OpRun, dropout: Dropout?) throws {
        let (layer, parameters) = try run.layer()
        let x = repeated(run.input("x").reshaped([1, 3, 8]), groups: 2)
        // Two positions of one clip, five tokens each, width 6: [1, T, S, C].
        let context = swapMiddleAxes(run.input("ctx").reshaped([1, 2, 5, 6]))
        try run.check(layer(x, context, dropout?.layer(0)), parameters: parameters)
    }
}

/// A case that runs: gives out inputs that are watched and parameters that are trained, and compares.
final class OpRun {
    let device: Device
    private let golden: Checkpoint
    private let name: String
    private let tape = Tape()
    private var watched: [(name: String, tensor: Tensor, layout: ArrayLayout)] = []
    private var parameters: [(name: String, parameter: Parameter)] = []

    init(_ name: String, _ golden: Checkpoint, on device: Device) {
        (self.name, self.golden, self.device) = (name, golden, device)
    }

    private enum ArrayLayout {
        case same
        case channelsLast
        case headsLast(Int)

        /// From golden to ours, shape and values.
        func ours(_ shape: [Int], _ values: [Float]) -> ([Int], [Float]) {
            switch self {
            case .same: return (shape, values)
            case .channelsLast:
                let moved = [shape[0]] + shape[2...] + [shape[1]]
                let inner = shape[2...].reduce(1, *)
                return (
                    moved, channelsLast_(values, shape[0], shape[1], inner)
                )
            case .headsLast:  // [B, heads, N, d] -> [B, N, heads · d]
                let (B, h, N, d) = (shape[0], shape[1], shape[2], shape[3])
                var out = values
                for b in 0..<B {
                    for head in 0..<h {
                        for n in 0..<N {
                            for i in 0..<d {
                                out[((b * N + n) * h + head) * d + i] =
                                    values[((b * h + head) * N + n) * d + i]
                            }
                        }
                    }
                }
                return ([B, N, h * d], out)
            }
        }

        private func channelsLast_(
            _ x: [Float], _ outer: Int, _ channels: Int, _ inner: Int
        ) -> [Float] {
            var out = x
            for o in 0..<outer {
                for c in 0..<channels {
                    for i in 0..<inner {
                        out[(o * inner + i) * channels + c] = x[(o * channels + c) * inner + i]
                    }
                }
            }
            return out
        }
    }

    func shape(_ entry: String) -> [Int] { golden.tensors["\(name)/\(entry)"]?.shape ?? [] }

    private func values(_ entry: String) -> [Float] {
        (try? golden.values("\(name)/\(entry)")) ?? []
    }

    private func array(_ entry: String, _ layout: ArrayLayout) -> Tensor {
        let (shape, values) = layout.ours(shape(entry), values(entry))
        return Tensor(shape.isEmpty ? [1] : shape, values, on: device)
    }

    func input(
        _ entry: String, channelsLast: Bool = false, headsLast: Bool = false,
        wantsGradient: Bool = true
    ) -> Tensor {
        let layout: ArrayLayout = channelsLast ? .channelsLast : headsLast ? .headsLast(0) : .same
        let tensor = tape.watch(array("in.\(entry)", layout), gradient: wantsGradient)
        if wantsGradient { watched.append((entry, tensor, layout)) }
        return tensor
    }

    func constant(_ entry: String, channelsLast: Bool = false, times factor: Float = 1) -> Tensor {
        let tensor = array("in.\(entry)", channelsLast ? .channelsLast : .same)
        return Tensor(tensor.shape, tensor.values.map { $0 * factor }, on: device)
    }

    func parameter(_ entry: String, isConstant: Bool = false) -> Parameter {
        made(entry, shape("in.\(entry)"), .plain, isConstant: isConstant)
    }

    func matrix(
        _ entry: String, _ use: Parameter.Use = .matrix(narrowest: .bfloat16)
    ) -> Parameter {
        made(entry, shape("in.\(entry)"), use, isConstant: false)
    }

    func row(_ entry: String) -> Parameter.Row {
        made(entry, [1] + shape("in.\(entry)"), .plain, isConstant: false).row(0)
    }

    private func made(
        _ entry: String, _ shape: [Int], _ use: Parameter.Use, isConstant: Bool
    ) -> Parameter {
        let parameter = Parameter(entry, shape, use)
        fill(parameter, values("in.\(entry)"))
        if !isConstant { parameters.append((entry, parameter)) }
        return parameter
    }

    private func fill(_ parameter: Parameter, _ values: [Float]) {
        guard let buffer = AlignedBuffer(count: values.count),
            let trained = {
                buffer.pointer.update(from: values, count: values.count)
                return try? TrainableValues(parameter, value: buffer)
            }()
        else { fatalError("no memory") }
        parameter.fill(.trainable(trained))
    }

    /// A Q-Former layer with the golden weights: width 8, context 6, 2 heads, hidden 12.
    func layer() throws -> (QFormerLayer, [Parameter]) {
        let plan = WeightPlan()
        let layer = QFormerLayer(
            Weights(plan),
            QFormerConfiguration(
                queries: 3, width: 8, contextWidth: 6, layers: 1, hidden: 12, heads: 2,
                crossAttentionEvery: 2), cross: true)
        for parameter in plan.parameters { fill(parameter, values("in.\(parameter.name)")) }
        return (layer, plan.parameters)
    }

    /// Compares the output, leads the golden upstream gradient back and compares gradients.
    func check(
        _ output: Tensor, channelsLast: Bool = false, headsLast: Int? = nil,
        elementwise: Bool = false, parameters more: [Parameter] = []
    ) throws {
        let layout: ArrayLayout =
            channelsLast ? .channelsLast : headsLast.map { .headsLast($0) } ?? .same
        compare("out.0", output, layout, elementwise)
        let upstream = array("d.0", layout)
        #expect(upstream.count == output.count, "\(name): \(upstream.shape), \(output.shape)")
        tape.backward([(output, upstream)])
        for (entry, tensor, layout) in watched {
            let gradient = try #require(tape.gradient(of: tensor), "\(name): nothing for \(entry)")
            compare("grad.\(entry)", gradient, layout, elementwise)
        }
        for (entry, parameter) in parameters + more.map({ ($0.name, $0) }) {
            let found = try #require(parameter.trainable)
            #expect(found.hasGradient, "\(name): nothing for \(entry)")
            let gradient = Array(
                UnsafeBufferPointer(start: found.gradient.pointer, count: parameter.count))
            if entry.hasSuffix("attention.key.bias") { continue }  // zero but for rounding
            compare("grad.\(entry)", gradient, values("grad.\(entry)"), elementwise)
        }
        #expect(!watched.isEmpty || !parameters.isEmpty)
    }

    private func compare(
        _ entry: String, _ found: Tensor, _ layout: ArrayLayout, _ elementwise: Bool
    ) {
        compare(entry, found.values, layout.ours(shape(entry), values(entry)).1, elementwise)
    }

    private func compare(
        _ entry: String, _ found: [Float], _ expected: [Float], _ elementwise: Bool
    ) {
        let difference = Difference(found, expected)
        if elementwise {
            for (a, b) in zip(found, expected) {
                #expect(
                    abs(a - b) <= 1e-5 * abs(b) + 1e-6, "\(name) \(entry): \(a), expected \(b)")
            }
        } else if expected.contains(where: { $0 != 0 }) {
            #expect(difference.relative <= 1e-5, "\(name) \(entry): \(difference)")
        } else {
            #expect(found.allSatisfy { $0 == 0 } && found.count == expected.count)
        }
    }
}

@Suite struct `Golden ops` {
    private static let golden = "\(Fixtures.folder)/goldens/training/ops"

    @Test(arguments: OpCase.all, [1, 3])
    func `values and gradients are those of the reference`(_ one: OpCase, _ threads: Int) throws {
        let golden = try Checkpoint(path: "\(Self.golden).safetensors")
        try one.run(OpRun(one.name, golden, on: Device(threads: threads)))
    }

    /// The losses' own, which `VidTwinTraining` has, are tested there.
    private static let losses: Set = [
        "batchNorm", "hingeD", "vanillaD", "generatorHinge", "generatorCrossEntropy", "lecam", "l1",
    ]

    @Test func `every golden op has a case`() throws {
        struct Row: Decodable {
            let op, `case`: String
        }
        let rows = try JSONDecoder().decode(
            [Row].self, from: Data(Fixtures.bytes("\(Self.golden).json")))
        let names = Set(OpCase.all.map(\.name))
        #expect(rows.count > 40)
        for row in rows where !Self.losses.contains(row.op) {
            #expect(names.contains("\(row.op).\(row.case)"), "\(row.op).\(row.case)")
        }
    }
}
