import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport

private let folder = "\(Fixtures.folder)/checkpoints"

@Suite struct `Random numbers` {
    @Test func `Reference: sampled noise is that of PyTorch on the CPU`() throws {
        let expected = try Checkpoint(path: "\(folder)/torch_randn.safetensors")
        for (seed, count): (UInt64, Int) in [(0, 16), (1, 15), (7, 100), (123_456_789, 1000)] {
            var generator = TorchGenerator(seed: seed)
            let difference = Difference(
                generator.normals(count), try expected.values("seed\(seed)_\(count)"))
            #expect(difference.relative < 1e-6, "seed \(seed), \(count): \(difference)")
        }
        var generator = TorchGenerator(seed: 5)
        let draws = [3, 20, 1, 2].flatMap { generator.normals($0) }
        #expect(Difference(draws, try expected.values("draws")).relative < 1e-6)
    }
}
