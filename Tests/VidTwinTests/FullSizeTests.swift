import Glibc
import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport

/// The folder that Benchmarks/pytorch/make_full_size.py made, if there is one.
private let folder = getenv("VIDTWIN_FULL_SIZE").map { String(cString: $0) }

@Suite struct `FullSize model` {
    @Test func `the released configuration with random weights matches PyTorch`() throws {
        guard let folder else {
            print("SKIPPED: full-size weights; VIDTWIN_FULL_SIZE names no folder (see Benchmarks)")
            return
        }
        let device = Device()
        let configuration = try Configuration(path: "\(folder)/config.yaml")
        let expected = try Checkpoint(path: "\(folder)/golden.safetensors")
        let pixels = Fixtures.bytes("\(folder)/clip.rgb").map { Float($0) / 127.5 - 1 }
        let clip = Tensor([1, 16, 224, 224, 3], pixels, on: device)
        for (kind, precision, latentBound, pictureBound) in [
            ("ckpt", Precision.float32, 1e-4, 1e-4), ("safetensors", .float32, 1e-4, 1e-4),
            ("safetensors", .bfloat16, 1.5e-2, 1e-2), ("safetensors", .int8, 6e-2, 4e-2),
        ] {
            let model = try VidTwinModel(
                configuration: configuration,
                checkpoint: try Checkpoint(path: "\(folder)/model.\(kind)"), device: device,
                precision: precision)
            let latents = try model.moments(clip).mean
            let structure = Difference(
                latents.structure.values, try expected.values("structure"))
            let values = try model.decode(latents).values
            var planar: [Float] = []
            for channel in 0..<3 {
                planar += stride(from: channel, to: values.count, by: 3).map { values[$0] }
            }
            let picture = Difference(planar, try expected.values("reconstruction"))
            print(
                "full size, \(kind), \(precision.rawValue): structure \(structure); "
                    + "reconstruction \(picture)")
            #expect(structure.relative <= latentBound && picture.relative <= pictureBound)
        }
    }
}
